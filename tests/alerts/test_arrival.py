"""Alerts that a real Slack webhook and a real mail server receive, exactly once, although both fail first."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from coin_api.daemon_watch import DaemonWatch
from coin_api.database_watch import DatabaseWatch
from coin_pipeline.alerts.outbox import record
from coin_pipeline.alerts.sender import ENGLISH, Sender
from coin_pipeline.database.session import Session
from coin_pipeline.notifications.channels import open_channels
from coin_pipeline.notifications.message import Channel
from coin_pipeline.notifications.slack import RETRIES
from coin_pipeline.settings import load_settings
from tests.alerts.events import failure, recovery
from tests.database.programs import query
from tests.slack_server import Fault, SlackServer, reset, serving_slack, status
from tests.smtp_server import SmtpServer, serving_smtp


class Servers(NamedTuple):
    """Both servers."""

    slack: SlackServer
    mail: SmtpServer

    def received(self, *titles: str) -> bool:
        """Return whether each server has received messages with these titles, in this order, and no others."""
        return all(
            len(texts) == len(titles) and all(title in text for title, text in zip(titles, texts, strict=True))
            for texts in (self.slack.texts(), self.mail.subjects())
        )


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Servers to which the settings lead."""
    with ExitStack() as stack:
        servers = Servers(stack.enter_context(serving_slack()), stack.enter_context(serving_smtp(tmp_path)))
        for name, value in {**servers.slack.environment, **servers.mail.environment}.items():
            monkeypatch.setenv(name, value)
        yield servers


@pytest.fixture
def channels(servers: Servers) -> Sequence[Channel]:
    """The channels of the settings."""
    assert servers
    return open_channels(load_settings())


def send_all(session: Session, url: str, channels: Sequence[Channel]) -> None:
    """Let each channel send what is pending, whatever pause it has."""
    senders = [Sender(session, channel, [each.name for each in channels]) for channel in channels]
    for _ in range(3):
        query(url, "update coin.alert_delivery set due_at = clock_timestamp()")
        for sender in senders:
            sender.send_due()


@pytest.mark.parametrize("fault", [reset, status(500), status(503)], ids=["reset", "500", "503"])
def test_servers_that_fail_first_receive_each_message_once(
    session: Session, alerts_url: str, servers: Servers, channels: Sequence[Channel], fault: Fault
) -> None:
    """The alert and its recovery, in this order."""
    servers.slack.plan(fault, times=RETRIES + 1)
    servers.mail.replies.append("451 try again later")
    record(session, [failure(1), recovery()])
    send_all(session, alerts_url, channels)
    assert servers.received("failure 1", "it works again")
    assert (len(servers.slack.faults), len(servers.mail.replies)) == (0, 0)


def test_a_silent_daemon_arrives_once(
    session: Session, alerts_url: str, servers: Servers, channels: Sequence[Channel]
) -> None:
    """Through the outbox, as the API sends it."""
    watch = DaemonWatch(lambda: {"SENSOR": 1.0}, partial(record, session), ENGLISH, silence_s=0)
    for _ in range(3):
        watch.run()
        send_all(session, alerts_url, channels)
    assert servers.received("The daemon does not report")


def test_an_outage_of_the_database_arrives_once(servers: Servers, channels: Sequence[Channel], tmp_path: Path) -> None:
    """Sent without the outbox."""
    with closing(Session("postgresql://coin@127.0.0.1:1/coin")) as session:
        for channel in channels:
            watch = DatabaseWatch(partial(session.run, bool), channel, tmp_path / channel.name, ENGLISH, away_s=0)
            for _ in range(3):
                watch.run()
    assert servers.received("PostgreSQL is not available")
