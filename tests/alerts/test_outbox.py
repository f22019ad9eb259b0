"""The outbox: every occurrence is stored once, however often it is reported and by how many processes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from coin_pipeline.alerts.outbox import exclusive_transaction, open_incidents, record, remove_alerts
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import DatabaseUnavailable
from tests.alerts.events import KEY, failure, recovery
from tests.database.programs import query


def test_a_repeated_report_is_stored_once(session: Session) -> None:
    """A sensor that was killed before it stored its cursor reports its events again."""
    events = [failure(1), failure(2), failure(1, "job backup")]
    assert [record(session, events), record(session, [*events, failure(3)])] == [3, 1]


def test_an_old_occurrence_does_not_reopen_its_incident(session: Session) -> None:
    """It was reported before the recovery, and is reported once more after it."""
    record(session, [failure(1), recovery()])
    assert record(session, [failure(1), recovery()]) == 0
    assert open_incidents(session) == {}


def test_a_recovery_closes_the_incident_of_its_key(session: Session) -> None:
    """Others stay open; the next alert of the key opens a new one."""
    record(session, [failure(1), failure(2, "job backup"), recovery()])
    assert list(open_incidents(session)) == ["job backup"]
    record(session, [failure(3)])
    assert set(open_incidents(session)) == {"job backup", KEY}


def test_a_recovery_without_an_incident_has_no_effect(session: Session) -> None:
    """Rules may report it whenever something works."""
    assert record(session, [recovery()]) == 0


def test_an_open_incident_has_the_times_of_its_first_and_latest_alert(session: Session) -> None:
    """They are in the order of the reports."""
    record(session, [failure(1)])
    first = open_incidents(session)[KEY]
    record(session, [failure(2)])
    second = open_incidents(session)[KEY]
    assert first.opened_at == first.last_alert_at == second.opened_at < second.last_alert_at


def test_concurrent_reports_of_one_occurrence_are_stored_once(alerts_url: str) -> None:
    """The daemon and the API may report the same at the same time."""

    def report(number: int) -> int:
        with closing(Session(alerts_url)) as session:
            return sum(record(session, [failure(number // 8), recovery()][: 1 + number % 2]) for _ in range(5))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(report, range(64))) >= 8
    assert query(alerts_url, "select count(*) from coin.alert where occurrence is not null") == [(8,)]
    empty = "select count(*) from coin.alert_incident where incident_id not in (select incident_id from coin.alert)"
    assert query(alerts_url, empty) == [(0,)]


def test_nothing_of_a_batch_is_stored_if_one_cannot_be(session: Session) -> None:
    """PostgreSQL stores no text with NUL: an error of the caller, which leaves the session usable."""
    with pytest.raises(ValueError, match="NUL"):
        record(session, [failure(1), failure("\0")])
    assert record(session, [failure(1)]) == 1


def test_a_process_that_hangs_blocks_the_others_for_seconds_only(session: Session) -> None:
    """All of them wait for its transaction; the server ends it, in this transaction only."""

    def limit(cursor: Cursor) -> object:
        cursor.execute("show idle_in_transaction_session_timeout")
        return cursor.fetchone()

    def limits(cursor: Cursor) -> list[object]:
        with exclusive_transaction(cursor):
            within = limit(cursor)
        return [within, limit(cursor)]

    assert session.run(limits) == [("10s",), ("0",)]


def test_old_alerts_are_removed(session: Session, alerts_url: str) -> None:
    """A dry run counts them; closed incidents go with the last of their alerts."""
    record(session, [failure(1), failure(2), recovery(), failure(1, "disk"), recovery("disk")])
    recorded_at = "recorded_at = recorded_at - interval '30 d'"
    query(alerts_url, f"update coin.alert set {recorded_at} where key <> 'disk'")  # noqa: S608 -- above
    query(alerts_url, "update coin.alert_incident set closed_at = closed_at - interval '30 d' where key <> 'disk'")
    before = datetime.now(UTC) - timedelta(days=29)
    for dry_run in (True, False):
        removed = remove_alerts(session, before, dry_run=dry_run)
        assert removed.number == 3
        assert removed.oldest is not None
        assert removed.oldest < before
    assert remove_alerts(session, before) == (0, None)
    assert query(alerts_url, "select distinct key from coin.alert_incident") == [("disk",)]


def test_the_latest_message_of_an_open_incident_is_kept(session: Session, alerts_url: str) -> None:
    """Without it, its recovery would not be sent."""
    record(session, [failure(1), failure(2), failure(3)])
    assert remove_alerts(session, datetime.now(UTC) + timedelta(days=1)).number == 2
    assert query(alerts_url, "select occurrence from coin.alert") == [("1",)]
    assert set(open_incidents(session)) == {KEY}


def test_a_report_without_a_database_is_an_error() -> None:
    """The sensor then reports again at its next tick."""
    with closing(Session("postgresql://coin@127.0.0.1:1/coin")) as session, pytest.raises(DatabaseUnavailable):
        record(session, [failure(1)])
