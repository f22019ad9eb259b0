"""The monitors that send alerts."""

import pytest

from coin_pipeline.alerts.outbox import list_alerts, record
from coin_pipeline.alerts.threads import alert_monitors, usable_channels
from coin_pipeline.database.session import Session
from coin_pipeline.settings import Settings
from tests.alerts.channels import RecordingChannel
from tests.alerts.events import failure


def test_each_channel_has_a_monitor(session: Session, alerts_url: str) -> None:
    """One that waits for its server delays no other."""
    record(session, [failure(1)])
    channels = [RecordingChannel(name=name) for name in ("slack", "mail")]
    monitors = alert_monitors(Settings(), channels, alerts_url)
    for monitor in monitors:
        monitor.run_round()
    assert [monitor.name for monitor in monitors] == ["alerts through slack", "alerts through mail"]
    assert [channel.titles for channel in channels] == [["failure 1"]] * 2


def test_alerts_are_kept_without_channels(session: Session, alerts_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log states it once."""
    caplog.set_level("INFO", "coin")
    record(session, [failure(1)])
    (monitor,) = alert_monitors(Settings(), [], alerts_url)
    for _ in range(2):
        monitor.run_round()
    assert [record.message for record in caplog.records if "sent once a channel is set up" in record.message] == [
        "alerts: alerts are stored, and sent once a channel is set up; 'coin alerts list' shows them"
    ]
    assert list_alerts(session)[0].state == "no channel"


def test_an_invalid_setting_of_a_channel_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It disables neither the other channel nor the program; the message names the setting and no secret."""
    settings = Settings(
        slack_webhook_url="http://hooks.slack.com/services/SECRET",
        smtp_host="smtp.example.com",
        smtp_from_addr="ops@example.com",
    )
    assert [channel.name for channel in usable_channels(settings)] == ["mail"]
    assert "SLACK_WEBHOOK_URL" in caplog.text
    assert "SECRET" not in caplog.text


def test_korean_alerts_have_korean_labels(session: Session, alerts_url: str) -> None:
    """The time and the number of the alert are among its details."""
    record(session, [failure(1)])
    channel = RecordingChannel()
    (monitor,) = alert_monitors(Settings(coin_alert_language="ko"), [channel], alerts_url)
    monitor.run_round()
    assert list(channel.sent[0].details) == ["기록 시각", "알림 번호"]
