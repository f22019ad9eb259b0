"""Sending: each message once through each channel, whatever fails; and what arrives of a burst."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from coin_pipeline.alerts.deliveries import DeliveryLimits
from coin_pipeline.alerts.model import AlertState
from coin_pipeline.alerts.outbox import list_alerts, record, retry, unmute
from coin_pipeline.alerts.sender import MAX_MESSAGES, ChannelCheck, Sender
from coin_pipeline.database.feature_flags import PAUSE
from coin_pipeline.database.session import Session
from coin_pipeline.errors import AlertNotFound, DatabaseUnavailable
from coin_pipeline.notifications.message import Channel, Delivery, Notification
from tests.alerts.channels import AWAY, OK, REVOKED, FileChannel, KilledChannel, RecordingChannel, kill_this_process
from tests.alerts.events import failure, recovery
from tests.database.programs import query
from tests.forking import forking

NAMES = ("slack", "mail")
NEXT_ATTEMPT = "select round(extract(epoch from due_at - clock_timestamp())) from coin.alert_delivery"
AT_ONCE = DeliveryLimits(summary_pause=timedelta(0))


def sender(session: Session, channel: Channel, channels: Sequence[str] = ("slack",), **times: timedelta) -> Sender:
    """Return a sender; `times` are those of DeliveryLimits."""
    return Sender(session, channel, channels, limits=DeliveryLimits(**times))


def make_due(url: str) -> None:
    """Let the pause of every pending delivery be over."""
    query(url, "update coin.alert_delivery set due_at = clock_timestamp()")


def states(session: Session) -> list[AlertState]:
    """Return the states of all alerts, the oldest first."""
    return [row.state for row in reversed(list_alerts(session))]


def test_an_alert_is_sent_once(session: Session) -> None:
    """Whichever process looks, and however often."""
    record(session, [failure(1)])
    channel = RecordingChannel()
    sending = sender(session, channel)
    assert [sending.send_due(), sending.send_due()] == ["1 sent through slack", ""]
    assert channel.titles == ["failure 1"]
    assert states(session) == ["sent"]


def test_a_message_has_the_time_and_the_number_of_its_alert(session: Session) -> None:
    """It may arrive days late, or twice; and an operator may want to retry it."""
    record(session, [failure(1)])
    channel = RecordingChannel()
    sender(session, channel).send_due()
    (row,) = list_alerts(session)
    assert channel.sent[0].details == {"Reported": f"{row.recorded_at:%Y-%m-%d %H:%M} UTC", "Alert": f"{row.alert_id}"}


def test_every_channel_gets_every_message(session: Session) -> None:
    """Each has deliveries of its own, which another channel does not change."""
    record(session, [failure(1)])
    slack, mail = RecordingChannel(), RecordingChannel(name="mail")
    for channel in (slack, mail):
        sender(session, channel, NAMES).send_due()
    assert slack.titles == mail.titles == ["failure 1"]


def test_a_failing_channel_delays_no_other(session: Session) -> None:
    """It has a sender and pauses of its own."""
    mail = RecordingChannel(name="mail")
    failing = sender(session, RecordingChannel([AWAY] * 9), NAMES)
    for number in range(3):
        record(session, [failure(number, f"job {number}")])
        failing.send_due()
        sender(session, mail, NAMES).send_due()
        assert len(mail.sent) == number + 1
    assert set(states(session)) == {"pending"}


def test_a_failed_attempt_is_repeated_after_a_pause(session: Session, alerts_url: str) -> None:
    """The list has the reason; the message arrives once the channel works."""
    record(session, [failure(1)])
    channel = RecordingChannel([AWAY])
    sending = sender(session, channel)
    sending.send_due()
    sending.send_due()
    assert channel.attempts == 1
    assert list_alerts(session)[0].deliveries[0].reason == "503"
    make_due(alerts_url)
    sending.send_due()
    assert channel.titles == ["failure 1"]


def test_pauses_double_up_to_half_an_hour(session: Session, alerts_url: str) -> None:
    """A channel that is away for days is asked about a hundred times, not thousands of times."""
    record(session, [failure(1)])
    sending = sender(session, RecordingChannel([AWAY] * 20))
    pauses = []
    for _ in range(9):
        make_due(alerts_url)
        sending.send_due()
        pauses += query(alerts_url, NEXT_ATTEMPT)
    assert [int(str(pause)) for (pause,) in pauses] == [15, 30, 60, 120, 240, 480, 960, 1800, 1800]


def test_a_rate_limit_holds_all_messages_of_the_channel(session: Session, alerts_url: str) -> None:
    """One request has shown that the server refuses all for as long as it states."""
    record(session, [failure(number, f"job {number}") for number in range(3)])
    channel = RecordingChannel([Delivery(delivered=False, reason="429", retry_after_s=100)])
    sending = sender(session, channel)
    sending.send_due()
    sending.send_due()
    assert channel.attempts == 1
    early = "select count(*) from coin.alert_delivery where due_at < clock_timestamp() + interval '90 s'"
    assert query(alerts_url, early) == [(0,)]


def test_a_permanent_refusal_is_given_up_at_once(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged as an error, and shown in the list."""
    record(session, [failure(1)])
    sender(session, RecordingChannel([REVOKED])).send_due()
    assert states(session) == ["given up"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "(failure 1) was given up by slack: 404 no_service; 'coin alerts retry' sends it again" in caplog.text


def test_a_message_is_given_up_after_the_limit(session: Session, alerts_url: str) -> None:
    """An outage of a channel of less than three days loses nothing."""
    record(session, [failure(1)])
    sending = sender(session, RecordingChannel([AWAY] * 2))
    sending.send_due()
    query(alerts_url, "update coin.alert_delivery set created_at = created_at - interval '71 h 59 min'")
    make_due(alerts_url)
    sending.send_due()
    assert states(session) == ["pending"]
    query(alerts_url, "update coin.alert_delivery set created_at = created_at - interval '1 min'")
    make_due(alerts_url)
    sender(session, RecordingChannel([AWAY])).send_due()
    assert states(session) == ["given up"]


def test_a_message_of_a_channel_that_was_removed_is_given_up(session: Session, alerts_url: str) -> None:
    """After three days: set up again weeks later, the channel does not send what happened then."""
    record(session, [failure(1)])
    slack, mail = RecordingChannel([AWAY]), RecordingChannel(name="mail")
    sender(session, slack, NAMES).send_due()
    for age, state in (("71 h", "pending"), ("1 h", "given up")):
        query(alerts_url, f"update coin.alert_delivery set created_at = created_at - interval '{age}'")  # noqa: S608
        sender(session, mail, ["mail"]).send_due()
        assert states(session) == [state]
    sender(session, slack, NAMES).send_due()
    assert slack.titles == []


def test_an_alert_that_was_given_up_can_be_retried(session: Session) -> None:
    """Through the channels that have not delivered it."""
    record(session, [failure(1)])
    slack, mail = RecordingChannel([REVOKED]), RecordingChannel(name="mail")
    senders = [sender(session, channel, NAMES) for channel in (slack, mail)]
    for sending in senders:
        sending.send_due()
    assert retry(session, list_alerts(session)[0].alert_id)
    for sending in senders:
        sending.send_due()
    assert slack.titles == mail.titles == ["failure 1"]
    assert not retry(session, list_alerts(session)[0].alert_id)


def test_an_unknown_alert_cannot_be_retried(session: Session) -> None:
    """The error names the command that lists them."""
    with pytest.raises(AlertNotFound, match="'coin alerts list"):
        retry(session, 0)


def test_a_burst_is_one_message_and_one_summary(session: Session) -> None:
    """The first arrives at once; the others in one message, with their number and the latest of them."""
    channel = RecordingChannel()
    sending = sender(session, channel)
    for number in range(1, 101):
        record(session, [failure(number)])
        sending.send_due()
    assert channel.titles == ["failure 1"]
    sender(session, channel, summary_pause=timedelta(0)).send_due()
    assert channel.titles == ["failure 1", "failure 100"]
    assert channel.sent[1].details["Occurrences"].startswith("99, since 20")


@pytest.mark.parametrize(("age", "minutes"), [(timedelta(hours=5), 75), (timedelta(days=30), 12 * 60 + 15)])
def test_summaries_of_a_long_incident_are_further_apart(session: Session, age: timedelta, minutes: int) -> None:
    """So that an operator does not learn to ignore them; but what is reported every day arrives every day."""
    channel = RecordingChannel()
    record(session, [failure(1)])
    sender(session, channel).send_due()
    record(session, [failure(2)])
    for elapsed, messages in ((minutes - 1, 1), (minutes + 1, 2)):
        pause = timedelta(minutes=elapsed)
        statement = "update coin.alert_incident set opened_at = now() - %s, last_message_at = now() - %s"
        session.run(lambda cursor, values=(age + pause, pause), text=statement: cursor.execute(text, values))
        sender(session, channel).send_due()
        assert len(channel.titles) == messages


def test_bursts_of_different_keys_are_separate_messages(session: Session) -> None:
    """A failing job does not hide a full disk."""
    record(session, [failure(1), failure(2), failure(1, "disk")])
    channel = RecordingChannel()
    sender(session, channel).send_due()
    assert channel.titles == ["failure 1", "failure 1"]


def test_an_alert_long_after_the_first_is_sent_at_once(session: Session) -> None:
    """The pause is one between messages of an incident: nothing waits if the latest one is older."""
    channel = RecordingChannel()
    sending = Sender(session, channel, ["slack"], limits=AT_ONCE)
    for number in (1, 2, 3):
        record(session, [failure(number)])
        sending.send_due()
    assert channel.titles == ["failure 1", "failure 2", "failure 3"]


def test_a_channel_that_was_away_gets_the_latest_message_of_an_incident(session: Session, alerts_url: str) -> None:
    """It counts all alerts that the channel has not delivered; another channel has got each message."""
    away, mail = RecordingChannel([AWAY] * 4), RecordingChannel(name="mail")
    sending = [Sender(session, channel, NAMES, limits=AT_ONCE) for channel in (away, mail)]
    for number in range(1, 5):
        record(session, [failure(number)])
        for one in sending:
            one.send_due()
    make_due(alerts_url)
    sending[0].send_due()
    assert away.titles == ["failure 4"]
    assert away.sent[0].details["Occurrences"].startswith("4, since")
    assert mail.titles == ["failure 1", "failure 2", "failure 3", "failure 4"]
    assert states(session) == ["sent"] * 4


def test_a_recovery_is_sent_once_and_counts_the_alerts(session: Session) -> None:
    """Those that were not in a message yet are in this one."""
    record(session, [failure(1), failure(2), failure(3)])
    channel = RecordingChannel()
    sending = sender(session, channel)
    sending.send_due()
    record(session, [recovery(), recovery()])
    for _ in range(2):
        sending.send_due()
    assert channel.titles == ["failure 1", "it works again"]
    assert channel.sent[1].details["Occurrences"].startswith("3, since")


def test_a_recovery_follows_its_alert(session: Session, alerts_url: str) -> None:
    """Even if the alert has to be repeated."""
    record(session, [failure(1), recovery()])
    channel = RecordingChannel([AWAY])
    sending = sender(session, channel)
    sending.send_due()
    sending.send_due()
    assert channel.titles == []
    make_due(alerts_url)
    sending.send_due()
    assert channel.titles == ["failure 1", "it works again"]


def test_a_recovery_of_what_was_not_delivered_is_not_sent(session: Session) -> None:
    """It would report the end of a failure of which the channel's readers know nothing."""
    record(session, [failure(1), recovery()])
    slack, mail = RecordingChannel([REVOKED]), RecordingChannel(name="mail")
    for channel in (slack, mail):
        sending = sender(session, channel, NAMES)
        for _ in range(2):
            sending.send_due()
    assert slack.titles == []
    assert mail.titles == ["failure 1", "it works again"]
    assert [row.state for row in list_alerts(session)[0].deliveries] == ["sent", "skipped"]


def test_two_senders_at_once_send_each_message_once(session: Session, alerts_url: str, tmp_path: Path) -> None:
    """The daemon and the API both send."""
    sent = tmp_path / "sent"
    sent.touch()
    record(session, [failure(number, f"job {number}") for number in range(40)])

    def send(_: int) -> None:
        with closing(Session(alerts_url)) as own:
            sending = sender(own, FileChannel(sent))
            while sending.send_due():
                pass

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(4)))
    assert len(sent.read_text().splitlines()) == len(set(sent.read_text().splitlines())) == 40


def test_a_round_is_limited(session: Session) -> None:
    """A thread that sends a long queue still reports that it is not stuck."""
    record(session, [failure(number, f"job {number}") for number in range(MAX_MESSAGES + 1)])
    channel = RecordingChannel()
    sender(session, channel).send_due()
    assert len(channel.sent) == MAX_MESSAGES


@pytest.mark.parametrize(("killed", "deliveries"), [("before", 1), ("after", 2)])
def test_a_kill_loses_nothing(session: Session, alerts_url: str, tmp_path: Path, killed: str, deliveries: int) -> None:
    """Before it was sent, it is sent once; between sent and stored, it is sent a second time with the same id."""
    record(session, [failure(1)])
    sent = tmp_path / "sent"
    sent.touch()
    process = forking().Process(target=send_and_die, args=(alerts_url, sent, killed))
    process.start()
    process.join()
    assert process.exitcode == -9
    sender(session, FileChannel(sent)).send_due()
    assert len(sent.read_text().splitlines()) == deliveries - 1  # the claim has not expired
    make_due(alerts_url)
    for _ in range(2):
        sender(session, FileChannel(sent)).send_due()
    ids = sent.read_text().splitlines()
    assert (len(ids), len(set(ids))) == (deliveries, 1)


def send_and_die(url: str, sent: Path, killed: str) -> None:
    """Claim an alert; kill this process before it is sent, or before that is stored."""
    channel = FileChannel(sent, kill_this_process) if killed == "after" else KilledChannel()
    sender(Session(url), channel).send_due()


def test_a_lost_database_repeats_no_message(session: Session, alerts_url: str) -> None:
    """The outcome is stored when the database is back, although the claim has expired."""
    record(session, [failure(1)])
    channel = RecordingChannel()
    sending = sender(FailingSession(alerts_url, channel), channel)
    with pytest.raises(DatabaseUnavailable):
        sending.send_due()
    make_due(alerts_url)
    for _ in range(3):
        sending.send_due()
    assert channel.titles == ["failure 1"]
    assert states(session) == ["sent"]


class FailingSession(Session):
    """A session whose connection fails once, after the first message was sent."""

    def __init__(self, url: str, channel: RecordingChannel) -> None:
        super().__init__(url)
        self._channel = channel
        self._has_failed = False

    def run(self, work):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 -- as in the base class
        """Run work, or fail."""
        if self._channel.sent and not self._has_failed:
            self._has_failed = True
            raise DatabaseUnavailable("the test", "it is away")
        return super().run(work)


def test_the_first_round_after_an_outage_claims_nothing(session: Session, alerts_url: str) -> None:
    """Another process gets the time to store what it has sent before the outage."""
    channel = RecordingChannel()
    sending = sender(session, channel)
    with closing(psycopg2.connect(alerts_url)) as connection, connection.cursor() as cursor:
        cursor.execute("alter table coin.alert rename to away")
        connection.commit()
        with pytest.raises(DatabaseUnavailable):
            sending.send_due()
        cursor.execute("alter table coin.away rename to alert")
        connection.commit()
    record(session, [failure(1)])
    assert sending.send_due() == ""
    assert sending.send_due() == "1 sent through slack"


def test_refused_recipients_are_logged(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """The message reached the others, so that it is not sent again."""
    record(session, [failure(1)])
    sender(session, RecordingChannel([Delivery(delivered=True, reason="b@x.test: 550")])).send_due()
    assert states(session) == ["sent"]
    assert "did not reach everyone by slack: b@x.test: 550" in caplog.text


def test_a_defect_of_a_channel_counts_as_a_failed_attempt(session: Session) -> None:
    """Its message may contain a secret, so that only its type is recorded."""
    record(session, [failure(1)])
    sender(session, DefectiveChannel()).send_due()
    assert list_alerts(session)[0].deliveries[0].reason == "the channel failed with RuntimeError"


class DefectiveChannel:
    """Raises, which a channel must not do."""

    name = "slack"

    def send(self, _notification: Notification) -> Delivery:
        """Raise an error."""
        raise RuntimeError("password")


def test_alerts_without_a_channel_are_kept_and_logged_once(session: Session) -> None:
    """They are sent when a channel is set up within three days."""
    record(session, [failure(1)])
    check = ChannelCheck(session)
    assert check.run().startswith("alerts are stored, and sent once a channel is set up")
    record(session, [failure(1, "disk")])
    assert check.run() == ""
    assert states(session) == ["no channel"] * 2
    channel = RecordingChannel()
    sender(session, channel).send_due()
    assert len(channel.sent) == 2


def test_an_alert_that_waited_too_long_for_a_channel_is_sent_on_request_only(session: Session, alerts_url: str) -> None:
    """Setting up a channel must not flood it with what happened weeks ago."""
    record(session, [failure(1)])
    query(alerts_url, "update coin.alert set message_at = message_at - interval '3 d'")
    channel = RecordingChannel()
    sending = sender(session, channel)
    sending.send_due()
    assert channel.titles == []
    assert retry(session, list_alerts(session)[0].alert_id)
    sending.send_due()
    assert channel.titles == ["failure 1"]


def test_a_new_channel_gets_no_old_messages(session: Session) -> None:
    """Another channel has delivered them."""
    record(session, [failure(1)])
    sender(session, RecordingChannel()).send_due()
    mail = RecordingChannel(name="mail")
    sender(session, mail, NAMES).send_due()
    assert mail.titles == []


def test_muted_alerts_are_recorded_and_not_sent(session: Session) -> None:
    """A restored instance has alerts that were sent long ago; only those after `unmute` are sent."""
    channel = RecordingChannel([AWAY])
    sending = sender(session, channel)
    record(session, [failure(1)])
    sending.send_due()
    session.run(lambda cursor: cursor.execute(PAUSE))
    record(session, [failure(1, "disk")])
    sending.send_due()
    assert [unmute(session), unmute(session)] == [True, False]
    record(session, [failure(2, "backup")])
    sending.send_due()
    assert channel.titles == ["failure 2"]
    assert states(session) == ["skipped", "skipped", "sent"]


def test_the_list_can_be_limited_to_a_state(session: Session) -> None:
    """The newest come first."""
    record(session, [failure(1), failure(2), failure(3), failure(1, "disk")])
    sender(session, RecordingChannel([OK, REVOKED])).send_due()
    assert [row.key for row in list_alerts(session, state="given up")] == ["disk"]
    assert [row.notification.title for row in list_alerts(session, state="counted")] == ["failure 3", "failure 2"]
    assert len(list_alerts(session, limit=2)) == 2
