"""Secrets of the settings are in no text that these modules produce."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from coin_pipeline.errors import InvalidSettings
from coin_pipeline.notifications.channels import open_channels
from coin_pipeline.notifications.message import Notification
from coin_pipeline.settings import Settings, load_settings
from tests.slack_server import Fault, SlackServer, rate_limited, reset, serving_slack, status
from tests.smtp_server import SmtpServer, serving_smtp

SECRETS = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
LOOKS_SECRET = re.compile(r"password|secret|token|webhook_url|_key|access_key_id|database_url")
PLANTED = "planted"
"""Part of every secret of these tests."""


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SlackServer, SmtpServer]]:
    """Running servers, which the settings name."""
    with serving_slack() as slack, serving_smtp(tmp_path) as smtp:
        for name, value in (slack.environment | smtp.environment).items():
            monkeypatch.setenv(name, value)
        yield slack, smtp


def test_every_secret_setting_is_masked() -> None:
    """A setting that looks like a secret is one, and appears in no representation of the settings."""
    assert {name for name in Settings.model_fields if LOOKS_SECRET.search(name)} == SECRETS
    values = dict.fromkeys(SECRETS, f"postgresql://user:{PLANTED}@host/name")
    settings = Settings.model_validate(values)
    assert all(isinstance(getattr(settings, name), SecretStr) for name in SECRETS)
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert PLANTED not in text


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "mysql://user:planted@host/name"},
        {"SLACK_WEBHOOK_URL": "https://user:planted@hooks.slack.com/"},
        {"SLACK_WEBHOOK_URL": "planted"},
        {"SLACK_WEBHOOK_URL": "https://hooks.slack.com:planted/x"},
        {"SLACK_WEBHOOK_URL": "https://[planted"},
        {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/planted\n"},
        {"SMTP_PASSWORD": "planted", "SMTP_HOST": "smtp.example.com"},
    ],
)
def test_error_about_a_secret_does_not_contain_it(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Malformed secrets are often nearly right ones."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as raised:
        open_channels(load_settings())
    assert PLANTED not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "fault", [None, reset, status(500), status(404, b"no plantedWebhookToken"), rate_limited(0), rate_limited(60)]
)
def test_sending_logs_no_secret(
    servers: tuple[SlackServer, SmtpServer],
    fault: Fault | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Also at the level DEBUG of every logger; slack_sdk logs URLs at INFO when it retries."""
    slack, smtp = servers
    if fault:
        slack.plan(fault, 3)
        smtp.replies.append("451 plantedSmtpPassword")
    with caplog.at_level(logging.DEBUG):
        channels = open_channels(load_settings())
        deliveries = [channel.send(Notification("Test", "text")) for channel in channels]
    assert len(slack.requests) > 0
    assert smtp.passwords == ["plantedSmtpPassword"]
    output = capfd.readouterr()
    logged = [record.getMessage() for record in caplog.records if record.name != "mail.log"]  # the server's own log
    for text in (*logged, output.out, output.err, repr(deliveries), repr(channels), repr(vars(channels[0]))):
        assert PLANTED not in text
