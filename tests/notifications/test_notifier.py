"""The notifiers that scripts await."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput
from coin_pipeline.notifications import EmailNotifier, SlackNotifier
from coin_pipeline.notifications.message import Delivery
from tests.conftest import ROOT
from tests.slack_server import serving_slack, status
from tests.smtp_server import serving_smtp

SNIPPET = """
import asyncio
from coin_pipeline.notifications import SlackNotifier

async def test():
    notifier = SlackNotifier()
    result = await notifier.send(
        title="테스트 알림",
        message="Phase 3 마이그레이션 테스트입니다.",
        level="INFO"
    )
    print(f"Slack Alert: {result}")

asyncio.run(test())
"""
"""From the users' checklist; the import path is this project's."""


def test_snippet_of_the_checklist_sends(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the outcome, and the message arrives."""
    with serving_slack() as slack:
        for name, value in {**slack.environment, "PYTHONPATH": str(ROOT)}.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", SNIPPET]
        printed = subprocess.run(command, cwd=data_root, check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed.startswith("Slack Alert: Delivery(delivered=True, reason=''")
    assert slack.texts() == ["\N{INFORMATION SOURCE} 테스트 알림\nPhase 3 마이그레이션 테스트입니다."]


def test_mail_is_awaited_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Details and link are part of it."""
    with serving_smtp(tmp_path) as smtp:
        for name, value in smtp.environment.items():
            monkeypatch.setenv(name, value)
        sending = EmailNotifier().send(
            "Test", "It works.", "Warning", {"Run": "0c7e"}, "https://coin.example/runs/0c7e"
        )
        assert asyncio.run(sending)
    assert smtp.subjects() == ["\N{WARNING SIGN} Test"]
    assert "0c7e" in smtp.accepted[0].message.as_string()


def test_failure_is_false_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is as truthful as the server."""
    with serving_slack() as slack:
        for name, value in slack.environment.items():
            monkeypatch.setenv(name, value)
        slack.plan(status(404, b"no_service"))
        delivery = asyncio.run(SlackNotifier().send("Test", "text"))
    assert not delivery
    assert delivery.reason == "the webhook answered 404: no_service"


@pytest.mark.parametrize(
    ("notifier", "variables", "reason"),
    [
        (SlackNotifier, {}, "SLACK_WEBHOOK_URL is not set, or SLACK_ENABLED is false"),
        (EmailNotifier, {}, "SMTP_HOST is not set, or EMAIL_ENABLED is false"),
        (SlackNotifier, {"SLACK_WEBHOOK_URL": "http://a/b"}, "SLACK_WEBHOOK_URL: must begin with https://"),
        (EmailNotifier, {"SMTP_HOST": "a", "SMTP_FROM_ADDR": "a@"}, "SMTP_FROM_ADDR: 'a@' is not"),
        (SlackNotifier, {"SLACK_ENABLED": "perhaps"}, "SLACK_ENABLED: 'perhaps' is not a valid value"),
    ],
)
def test_missing_and_invalid_settings_are_a_reason(
    monkeypatch: pytest.MonkeyPatch,
    notifier: type[SlackNotifier | EmailNotifier],
    variables: dict[str, str],
    reason: str,
) -> None:
    """A script prints it instead of ending with a traceback."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    delivery = asyncio.run(notifier().send("Test", "text"))
    assert delivery.reason.startswith(reason)
    assert delivery == Delivery(delivered=False, reason=delivery.reason, is_permanent=True)


def test_unknown_level_is_rejected() -> None:
    """The error lists the levels."""
    with pytest.raises(InvalidInput, match="'loud' is not a level; choose one of info, warning, error, critical"):
        asyncio.run(SlackNotifier().send("Test", "text", "loud"))
