"""The outbox: what is reported is stored in one transaction before anything is sent, each occurrence once.

All times are those of the database's clock, so that a wrong clock of one machine delays or repeats nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg2

from coin_pipeline.alerts.model import Alert, AlertRow, AlertState, DeliveryRow, Event, Incident
from coin_pipeline.database.feature_flags import ALERTS
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import AlertNotFound
from coin_pipeline.notifications.message import Notification

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
_LIST = """
select * from (
    select alert_id, key, occurrence is null, notification, recorded_at,
        case when message_at is null then 'counted' when dispatched_at is null then 'no channel' else coalesce((
            select state from coin.alert_delivery d where d.alert_id = a.alert_id
            order by array_position('{given up,pending,sent,merged,skipped}'::text[], state) limit 1
        ), 'skipped') end as state
    from coin.alert a
) listed
where %(state)s is null or state = %(state)s order by alert_id desc limit %(limit)s
"""
_LIST_DELIVERIES = """
select alert_id, channel, state, attempts, due_at, ended_at, reason from coin.alert_delivery
where alert_id = any(%s) order by channel
"""
_RETRY_DELIVERIES = """
update coin.alert_delivery
set state = 'pending', attempts = 0, created_at = clock_timestamp(), due_at = clock_timestamp(), ended_at = null
where alert_id = %s and state <> 'sent'
"""
# The latest message of an open incident stays, so that its recovery is sent.
_REMOVE = """
with kept as (
    select max(alert_id) as alert_id from coin.alert join coin.alert_incident using (incident_id)
    where message_at is not null and (closed_at is null or closed_at >= %(before)s) group by incident_id
), expired as (
    select alert_id, recorded_at from coin.alert
    where recorded_at < %(before)s and alert_id not in (select alert_id from kept)
), removed as (
    delete from coin.alert where alert_id in (select alert_id from expired) and not %(dry_run)s
)
select count(*), min(recorded_at) from expired
"""
_REMOVE_INCIDENTS = """
delete from coin.alert_incident i
where closed_at < %(before)s and not exists (select from coin.alert a where a.incident_id = i.incident_id)
"""


_DISCARD_DELIVERIES = """
update coin.alert_delivery set state = 'skipped', ended_at = clock_timestamp(), reason = 'alerts were muted'
where state = 'pending'
"""
_DISCARD_MESSAGES = "update coin.alert set dispatched_at = clock_timestamp() where dispatched_at is null"


class RemovedAlerts(NamedTuple):
    """Alerts that were or would be removed: their number, and when the oldest was recorded."""

    number: int
    oldest: datetime | None


@contextmanager
def exclusive_transaction(cursor: Cursor) -> Iterator[None]:
    """Run statements in a transaction, in turn with every other one that records or dispatches alerts.

    The server ends it if this process hangs, since all others wait.
    """
    cursor.execute("begin")
    try:
        cursor.execute("set local idle_in_transaction_session_timeout = '10 s'")
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


def list_alerts(session: Session, limit: int = 50, state: AlertState | None = None) -> list[AlertRow]:
    """Return stored alerts and recoveries, the newest first.

    Args:
        session: The database.
        limit: The most to return.
        state: Limit them to a state.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def read(cursor: Cursor) -> list[AlertRow]:
        cursor.execute(_LIST, {"state": state, "limit": limit})
        rows = cursor.fetchall()
        deliveries: dict[int, list[DeliveryRow]] = {row[0]: [] for row in rows}
        cursor.execute(_LIST_DELIVERIES, ([*deliveries],))
        for alert_id, channel, own_state, attempts, due_at, ended_at, reason in cursor:
            times = (due_at.astimezone(UTC), ended_at and ended_at.astimezone(UTC))
            deliveries[alert_id].append(DeliveryRow(channel, own_state, attempts, *times, reason))
        return [_to_row(row, deliveries[row[0]]) for row in rows]

    return session.run(read)


def retry(session: Session, alert_id: int) -> bool:
    """Send an alert again through each channel that has not delivered it, as if it were new.

    Returns:
        Whether there is such a channel; an alert that no channel was set up for waits for one, as if it were new.

    Raises:
        AlertNotFound: No alert has this id.
        DatabaseUnavailable: The server cannot be reached.
    """

    def reset(cursor: Cursor) -> bool | None:
        with exclusive_transaction(cursor):
            cursor.execute("select dispatched_at is null from coin.alert where alert_id = %s", (alert_id,))
            if (row := cursor.fetchone()) is None:
                return None
            if row[0]:
                cursor.execute("update coin.alert set message_at = clock_timestamp() where alert_id = %s", (alert_id,))
            else:
                cursor.execute(_RETRY_DELIVERIES, (alert_id,))
            return cursor.rowcount > 0

    if (is_due := session.run(reset)) is None:
        raise AlertNotFound(alert_id)
    return is_due


def unmute(session: Session) -> bool:
    """Send alerts again, those that are recorded from now on; return whether they were muted, as by a restore.

    A restored database has alerts that were sent long ago or are out of date: they are discarded.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def change(cursor: Cursor) -> bool:
        with exclusive_transaction(cursor):
            cursor.execute("delete from coin.switch where name = %s", (ALERTS,))
            if not cursor.rowcount:
                return False
            cursor.execute(_DISCARD_DELIVERIES)
            cursor.execute(_DISCARD_MESSAGES)
        return True

    return session.run(change)


def is_muted(cursor: Cursor) -> bool:
    """Return whether alerts are muted."""
    cursor.execute("select exists (select from coin.switch where name = %s)", (ALERTS,))
    return cursor.fetchone() == (True,)


def remove_alerts(session: Session, before: datetime, *, dry_run: bool = False) -> RemovedAlerts:
    """Remove the alerts that were recorded before a time, except the latest message of each open incident.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def remove(cursor: Cursor) -> RemovedAlerts:
        values = {"before": before, "dry_run": dry_run}
        with exclusive_transaction(cursor):
            cursor.execute(_REMOVE, values)
            number, oldest = cursor.fetchone() or (0, None)
            if not dry_run:
                cursor.execute(_REMOVE_INCIDENTS, values)
        return RemovedAlerts(number, oldest and oldest.astimezone(UTC))

    return session.run(remove)


def _store(cursor: Cursor, event: Event) -> int:
    values = {"key": event.key, "notification": json.dumps(asdict(event.notification))}
    if isinstance(event, Alert):
        cursor.execute(_RECORD_ALERT, values | {"occurrence": event.occurrence})
    else:
        cursor.execute(_RECORD_RECOVERY, values)
    return cursor.rowcount


def _to_row(row: tuple[Any, ...], deliveries: list[DeliveryRow]) -> AlertRow:
    alert_id, key, is_recovery, notification, recorded_at, state = row
    return AlertRow(
        alert_id,
        key,
        is_recovery,
        Notification(**notification),
        recorded_at.astimezone(UTC),
        state,
        tuple(deliveries),
    )
