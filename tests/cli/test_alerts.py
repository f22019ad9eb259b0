"""The alerts commands."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.alerts.deliveries import DeliveryLimits
from coin_pipeline.alerts.model import Alert, Recovery
from coin_pipeline.alerts.outbox import list_alerts, record
from coin_pipeline.alerts.sender import Sender
from coin_pipeline.cli.app import coin
from coin_pipeline.database.feature_flags import PAUSE, resume
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import AlertNotFound, InvalidSettings
from coin_pipeline.notifications.message import Delivery, Notification
from coin_pipeline.settings import load_settings
from tests.schemas import create_schema
from tests.slack_server import SlackServer, serving_slack, status

KEY = "job refresh_candles"
FAILURE = Alert(KEY, "run-1", Notification("Candle collection: failed", "Why: [closed] upbit is away", "error"))


@pytest.fixture(scope="module")
def own_database(data_root: Path) -> str:
    """URL of a database with the tables of the platform."""
    assert data_root.is_dir()
    url, name = database_url(load_settings()), f"test_{uuid.uuid4().hex}"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    create_schema(own)
    return own


@pytest.fixture
def session(own_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session on the database that the commands use, without alerts."""
    monkeypatch.setenv("DATABASE_URL", own_database)
    with closing(Session(own_database)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.alert_incident, coin.switch cascade"))
        yield session


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    """A Slack server that the settings name."""
    with serving_slack() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


class Refusing:
    """A channel whose server rejects every message."""

    name = "slack"

    def send(self, _notification: Notification) -> Delivery:
        """Reject a message."""
        return Delivery(delivered=False, reason="the webhook answered 404: no_service", is_permanent=True)


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["alerts", *arguments], catch_exceptions=False)


def give_up(session: Session) -> None:
    """Send what is due through a channel that rejects it."""
    Sender(session, Refusing(), ("slack",), limits=DeliveryLimits()).send_due()


def alert_id(session: Session) -> str:
    """Return the id of the newest alert."""
    return str(list_alerts(session)[0].alert_id)


def test_without_alerts_the_list_names_the_test_of_the_channels(session: Session) -> None:
    """An empty list is a sentence."""
    assert session
    assert invoke("list").output == "no alerts; 'coin alerts test' tests the channels\n"


def test_the_list_shows_what_was_recorded_and_what_is_open(session: Session) -> None:
    """The newest first; text in brackets is not markup."""
    record(session, [FAILURE, Recovery(KEY, Notification("Candle collection: works again", ""))])
    record(session, [Alert("disk /data", "1", Notification("Disk is almost full: /data [x]", "", "critical"))])
    lines = invoke("list").output.splitlines()
    assert [" ".join(line.split()[3:]) for line in lines[1:4]] == [
        "critical no channel Disk is almost full: /data [x] disk /data",
        f"recovery no channel Candle collection: works again {KEY}",
        f"error no channel Candle collection: failed {KEY}",
    ]
    assert lines[5] == "1 open incident:"
    assert lines[6].startswith("  disk /data, since 2")


def test_the_list_is_limited_unless_all_are_wanted(session: Session) -> None:
    """The header and two alerts, or all."""
    record(session, [FAILURE._replace(occurrence=f"run-{number}", key=f"job {number}") for number in range(25)])
    options: tuple[list[str], ...] = ([], ["--limit", "2"], ["--all"])
    counts = [len(json.loads(invoke("list", "--json", *own).output)) for own in options]
    assert counts == [20, 2, 25]


def test_the_list_states_why_an_alert_was_given_up(session: Session) -> None:
    """With the channel and the number of attempts."""
    record(session, [FAILURE])
    give_up(session)
    output = invoke("list", "--state", "given up").output
    assert f"alert {alert_id(session)}: given up by slack after 1 attempt: the webhook answered 404" in output


def test_json_has_everything_that_is_stored(session: Session) -> None:
    """Notification and deliveries included."""
    record(session, [FAILURE])
    give_up(session)
    (row,) = json.loads(invoke("list", "--json").output)
    assert (row["key"], row["state"], row["is_recovery"]) == (KEY, "given up", False)
    assert row["notification"]["title"] == FAILURE.notification.title
    assert [(own["channel"], own["state"]) for own in row["deliveries"]] == [("slack", "given up")]


def test_retry_sends_an_alert_again(session: Session) -> None:
    """Through the channel that gave it up."""
    record(session, [FAILURE])
    give_up(session)
    own = alert_id(session)
    assert invoke("retry", own).output == f"alert {own} is due again\n"
    assert [row["state"] for row in json.loads(invoke("list", "--json").output)] == ["pending"]


def test_retry_of_an_unknown_alert_is_an_error(session: Session) -> None:
    """It names the command that lists them."""
    assert session
    with pytest.raises(AlertNotFound, match="'coin alerts list --all' lists them"):
        invoke("retry", "99999")


def test_the_list_states_that_a_restore_has_stopped_alerts(session: Session) -> None:
    """Until they are resumed."""
    record(session, [FAILURE])
    session.run(lambda cursor: cursor.execute(PAUSE))
    notice = "no alerts are sent since a restore; 'coin database resume' starts them"
    assert notice in invoke("list").output
    resume(session)
    assert notice not in invoke("list").output


def test_a_test_message_arrives(slack: SlackServer) -> None:
    """Exactly one, and nothing is stored."""
    result = invoke("test")
    assert (result.output, result.exit_code) == ("slack: delivered\n", 0)
    assert len(slack.texts()) == 1
    assert "Test of the alerts" in slack.texts()[0]


def test_a_test_message_is_in_the_language_of_the_alerts(slack: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """COIN_ALERT_LANGUAGE=ko."""
    monkeypatch.setenv("COIN_ALERT_LANGUAGE", "ko")
    invoke("test")
    assert "알림 테스트" in slack.texts()[0]


def test_a_test_message_that_is_rejected_fails_the_command(slack: SlackServer) -> None:
    """With the answer of the server, and without the secret in its address."""
    slack.plan(status(404, b"no_service"))
    result = invoke("test")
    assert result.exit_code == 1
    assert result.output == "slack: not delivered: the webhook answered 404: no_service\n"


def test_without_a_channel_the_test_names_the_settings() -> None:
    """Nothing is sent, and that is an error."""
    with pytest.raises(InvalidSettings, match="SLACK_WEBHOOK_URL: is not set or is disabled, like SMTP_HOST"):
        invoke("test")
