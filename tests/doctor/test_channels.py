"""Checks of the channels of alerts."""

from pathlib import Path

import pytest

from coin_pipeline.doctor import channels
from coin_pipeline.doctor.model import Installation
from coin_pipeline.settings import load_settings
from tests.platforms import free_ports
from tests.slack_server import serving_slack
from tests.smtp_server import PASSWORD, serving_smtp


def installation(*, send: bool = False) -> Installation:
    """Return the installation of the settings."""
    return Installation(load_settings(), "", "", send=send)


def use(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Set variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_without_channels_no_operator_is_notified(tmp_path: Path) -> None:
    """This is one warning, not one for each channel."""
    assert tmp_path.is_dir()
    assert channels.slack(installation()).state == "warning"
    assert channels.mail(installation()).state == "ok"


def test_the_login_at_the_mail_server_is_tried_and_nothing_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail is sent only with --send."""
    with serving_smtp(tmp_path) as server:
        use(monkeypatch, server.environment)
        assert channels.mail(installation()).state == "ok"
        assert (server.passwords, server.subjects()) == ([PASSWORD], [])
        assert channels.mail(installation(send=True)).found == "a test message was delivered"
        assert [subject.endswith("Test by 'coin doctor'") for subject in server.subjects()] == [True]


def test_a_wrong_password_is_reported_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reply of the server."""
    with serving_smtp(tmp_path) as server:
        use(monkeypatch, server.environment | {"SMTP_PASSWORD": "plantedWrong"})
        finding = channels.mail(installation())
    assert finding.state == "failed"
    assert "535" in finding.found
    assert "plantedWrong" not in finding.found


def test_slack_is_reached_and_nothing_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of the webhook, which is a secret, is sent only with the message."""
    with serving_slack() as server:
        use(monkeypatch, server.environment)
        assert channels.slack(installation()).state == "ok"
        assert server.requests == [("GET", "/")]
        assert channels.slack(installation(send=True)).found == "a test message was delivered"
        assert server.texts() != []


def test_a_webhook_that_cannot_be_reached_is_reported_without_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the server is named."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}/services/T0/B0/plantedToken"
    use(monkeypatch, {"SLACK_WEBHOOK_URL": url, "COIN_ALLOW_PRIVATE_WEBHOOKS": "true"})
    finding = channels.slack(installation())
    assert finding.state == "failed"
    assert "Connection refused" in finding.found
    assert "planted" not in finding.found
