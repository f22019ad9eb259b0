"""The checklist's items about Slack and mail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidSettings
from coin_pipeline.migration.checklist.item import Check
from coin_pipeline.migration.checklist.notifications import (
    mail_sent,
    mail_settings,
    slack_alerts,
    slack_sent,
    slack_settings,
)
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.settings import Settings, load_settings
from tests.slack_server import SlackServer, serving_slack, status
from tests.smtp_server import HOST, SmtpServer, serving_smtp

SENT = "the server accepted 'Test of notifications'"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    """A running server, which the settings name."""
    with serving_slack() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def smtp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    """A running server, which the settings name."""
    with serving_smtp(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def outcome(check: Check) -> tuple[str, str]:
    """Return the status and the detail of an item."""
    checked = check(Inspector(load_settings(), "http://127.0.0.1:8000"))
    return checked.status, checked.detail


@pytest.mark.parametrize("check", [slack_settings, slack_sent, slack_alerts, mail_settings, mail_sent])
def test_items_of_unset_channels_do_not_apply(check: Check) -> None:
    """The detail names the setting."""
    status_, detail = outcome(check)
    assert status_ == "n/a"
    assert ("SLACK_WEBHOOK_URL is not set" in detail) != ("SMTP_HOST is not set" in detail)


def test_slack_is_tested_with_a_message(slack: SlackServer) -> None:
    """One message arrives; the webhook's path is not shown."""
    assert outcome(slack_settings) == ("pass", "SLACK_WEBHOOK_URL is valid, at 127.0.0.1")
    assert outcome(slack_sent) == ("pass", SENT)
    assert outcome(slack_alerts)[0] == "pass"
    assert len(slack.accepted) == 1


def test_mail_is_tested_with_a_message(smtp: SmtpServer) -> None:
    """One mail arrives; the password is not shown."""
    assert outcome(mail_settings) == ("pass", f"through {HOST}:{smtp.port} to ops@example.com")
    assert outcome(mail_sent) == ("pass", SENT)
    assert len(smtp.accepted) == 1


def test_refused_notifications_fail(slack: SlackServer, smtp: SmtpServer) -> None:
    """The detail is the answer of the server."""
    slack.plan(status(404, b"no_service"))
    smtp.refused["ops@example.com"] = "550 no such user"
    assert outcome(slack_sent) == ("fail", "the webhook answered 404: no_service")
    assert outcome(mail_sent) == ("fail", "ops@example.com was refused: 550 no such user")


@pytest.mark.parametrize("check", [slack_settings, slack_sent, slack_alerts])
def test_invalid_settings_fail(check: Check) -> None:
    """The checklist turns the error into a failure."""
    settings = Settings.model_validate({"slack_webhook_url": "http://10.0.0.1/x"})
    with pytest.raises(InvalidSettings, match="SLACK_WEBHOOK_URL: must begin with https://"):
        check(Inspector(settings, "http://127.0.0.1:8000"))
