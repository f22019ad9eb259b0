"""The outbox: what is reported is stored in one transaction before anything is sent, each occurrence once.

All times are those of the database's clock, so that a wrong clock of one machine delays or repeats nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC

import psycopg2

from coin_pipeline.alerts.model import Alert, Event, Incident
from coin_pipeline.database.session import Cursor, Session

_LOCK_KEY = (0x636F696E, 2)  # arbitrary; the daemon's is (0x636F696E, 1)
# An occurrence that is known changes nothing, even if its incident is closed: a sensor may report it again.
_RECORD_ALERT = """
with incident as (
    insert into coin.alert_incident as open (key, opened_at, last_alert_at, last_message_at)
    select %(key)s, now, now, now from (select clock_timestamp() as now) clock
    where not exists (select from coin.alert where key = %(key)s and occurrence = %(occurrence)s)
    on conflict (key) where closed_at is null
        do update set last_alert_at = excluded.last_alert_at, waiting = open.waiting + 1
    returning incident_id, last_alert_at, waiting
)
insert into coin.alert (incident_id, key, occurrence, notification, recorded_at, message_at)
select incident_id, %(key)s, %(occurrence)s, %(notification)s, last_alert_at,
    case when waiting = 0 then last_alert_at end
from incident
"""
_RECORD_RECOVERY = """
with incident as (
    update coin.alert_incident set closed_at = clock_timestamp(), waiting = 0
    where key = %(key)s and closed_at is null returning incident_id, closed_at
)
insert into coin.alert (incident_id, key, notification, recorded_at, message_at)
select incident_id, %(key)s, %(notification)s, closed_at, closed_at from incident
"""


@contextmanager
def exclusive_transaction(cursor: Cursor) -> Iterator[None]:
    """Run statements in a transaction, in turn with every other one that records or dispatches alerts."""
    cursor.execute("begin")
    try:
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", _LOCK_KEY)
        yield
    except BaseException:
        with suppress(psycopg2.Error):  # a lost connection, whose transaction the server rolls back
            cursor.execute("rollback")
        raise
    cursor.execute("commit")


def record(session: Session, events: Sequence[Event]) -> int:
    """Store events in one transaction; what is already stored, and a recovery without an open incident, is left out.

    Returns:
        How many are new.

    Raises:
        DatabaseUnavailable: The server cannot be reached; nothing, or everything, is stored.
    """

    def store(cursor: Cursor) -> int:
        with exclusive_transaction(cursor):
            return sum(_store(cursor, event) for event in events)

    return session.run(store) if events else 0


def open_incidents(session: Session) -> Mapping[str, Incident]:
    """Return the open incidents by key.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def read(cursor: Cursor) -> list[Incident]:
        cursor.execute("select key, opened_at, last_alert_at from coin.alert_incident where closed_at is null")
        return [Incident(key, *(at.astimezone(UTC) for at in times)) for key, *times in cursor]

    return {incident.key: incident for incident in session.run(read)}


def _store(cursor: Cursor, event: Event) -> int:
    values = {"key": event.key, "notification": json.dumps(asdict(event.notification))}
    if isinstance(event, Alert):
        cursor.execute(_RECORD_ALERT, values | {"occurrence": event.occurrence})
    else:
        cursor.execute(_RECORD_RECOVERY, values)
    return cursor.rowcount
