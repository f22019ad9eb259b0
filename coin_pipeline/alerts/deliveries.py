"""Deliveries: which message is sent through which channel, when, and what became of it; by the database's clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from coin_pipeline.alerts.model import DeliveryState
from coin_pipeline.alerts.outbox import exclusive_transaction, is_muted
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.notifications.message import Delivery, Notification

FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 1800.0
"""Pause after the first failed attempt, which doubles with each further one, and its limit."""
LONGEST_RETRY_AFTER_S = 3600.0
"""Longest pause that a server may ask for."""
NOT_REPORTED = "no alert of this incident was delivered through the channel"
_MAX_DOUBLINGS = 10
# The latest alert of the incident becomes a message, which counts those before it.
_SUMMARIZE = """
with due as (
    update coin.alert_incident set waiting = 0, last_message_at = clock_timestamp()
    where closed_at is null and waiting > 0
        and clock_timestamp() - last_message_at
            >= %(summary_pause)s + least(
                %(longest_growth)s, greatest(interval '0', (last_message_at - opened_at - interval '1 hour') / 4)
            )
    returning incident_id, last_message_at
)
update coin.alert a set message_at = last_message_at from due
where alert_id = (select max(alert_id) from coin.alert latest where latest.incident_id = due.incident_id)
"""
_UNDISPATCHED = """
select alert_id from coin.alert where dispatched_at is null and message_at > clock_timestamp() - %(give_up)s
"""
_DISPATCH = """
with message as (
    update coin.alert set dispatched_at = clock_timestamp() where alert_id = any(%(alert_ids)s)
    returning alert_id, dispatched_at
)
insert into coin.alert_delivery (alert_id, channel, created_at, due_at)
select alert_id, channel, dispatched_at, dispatched_at from message cross join unnest(%(channels)s) channel
"""
# A channel that was away for hours then sends the latest message of an incident, not one for every quarter of an hour.
_MERGE = """
update coin.alert_delivery earlier set state = 'merged', ended_at = clock_timestamp()
from coin.alert a, coin.alert b, coin.alert_delivery later
where earlier.state = 'pending' and later.state = 'pending' and earlier.channel = later.channel
    and earlier.alert_id = a.alert_id and later.alert_id = b.alert_id and a.incident_id = b.incident_id
    and a.alert_id < b.alert_id and a.occurrence is not null and b.occurrence is not null
"""
# Otherwise a channel that is set up again after weeks would send what happened then.
_ABANDON = """
update coin.alert_delivery set state = 'given up', ended_at = clock_timestamp(), reason = 'the channel is not set up'
where state = 'pending' and channel <> all(%(channels)s) and created_at <= clock_timestamp() - %(give_up)s
"""
# A message follows the earlier ones of its incident. A row that another sender is claiming is skipped.
_CLAIM = """
with due as (
    select d.alert_id, d.channel from coin.alert_delivery d join coin.alert a using (alert_id)
    where d.channel = %(channel)s and d.state = 'pending' and d.due_at <= clock_timestamp()
        and not exists (
            select from coin.alert_delivery e join coin.alert b using (alert_id)
            where b.incident_id = a.incident_id and b.alert_id < a.alert_id and e.channel = d.channel
                and e.state = 'pending'
        )
    order by d.alert_id limit 1 for update of d skip locked
)
update coin.alert_delivery d set attempts = attempts + 1, due_at = clock_timestamp() + %(claim)s
from due join coin.alert a using (alert_id) join coin.alert_incident i using (incident_id)
where d.alert_id = due.alert_id and d.channel = due.channel
returning d.alert_id, d.channel, attempts, a.occurrence is null, a.notification, a.recorded_at, opened_at, incident_id
"""
# A recovery counts all alerts of its incident, an alert those since the latest one that the channel has delivered.
_COUNT = """
with sent as (
    select max(alert_id) as last_id from coin.alert join coin.alert_delivery using (alert_id)
    where incident_id = %(incident_id)s and channel = %(channel)s and state = 'sent'
)
select last_id is not null, (
    select count(*) from coin.alert a where incident_id = %(incident_id)s and occurrence is not null
        and alert_id <= %(alert_id)s and (%(is_recovery)s or alert_id > coalesce(last_id, 0))
) from sent
"""
_SENT = """
update coin.alert_delivery set state = 'sent', ended_at = clock_timestamp(), reason = %(reason)s
where alert_id = %(alert_id)s and channel = %(channel)s
"""
_FAILED = """
update coin.alert_delivery set reason = %(reason)s, due_at = clock_timestamp() + %(pause)s
where alert_id = %(alert_id)s and channel = %(channel)s and state = 'pending' and attempts = %(attempts)s
"""
_END = """
update coin.alert_delivery set state = %(state)s, ended_at = clock_timestamp(), reason = %(reason)s
where alert_id = %(alert_id)s and channel = %(channel)s and state = 'pending' and attempts = %(attempts)s
    and (%(at_once)s or created_at <= clock_timestamp() - %(give_up)s)
"""
_HOLD = """
update coin.alert_delivery set due_at = greatest(due_at, clock_timestamp() + %(pause)s)
where channel = %(channel)s and state = 'pending'
"""


class DeliveryLimits(NamedTuple):
    """Times of deliveries.

    Attributes:
        summary_pause: Between two messages of an open incident; it grows by a quarter of the age beyond an hour.
        longest_growth: Limit of that, below a day: what is wrong for weeks is reported every day.
        give_up: How long a message is tried, and how long one waits for its first channel.
        claim: After which a sender that claimed a delivery counts as dead; longer than a channel takes to send.
    """

    summary_pause: timedelta = timedelta(minutes=15)
    longest_growth: timedelta = timedelta(hours=12)
    give_up: timedelta = timedelta(days=3)
    claim: timedelta = timedelta(minutes=2)


class Claim(NamedTuple):
    """A message that one sender, and no other, sends through a channel now.

    Attributes:
        alert_id: Its number.
        channel: The channel.
        attempt: Number of this attempt, from 1.
        is_recovery: Whether it is a recovery.
        notification: What is sent.
        recorded_at: When it was recorded, UTC.
        opened_at: When its incident began, UTC.
        alerts: How many alerts it reports.
        was_reported: Whether the channel has delivered a message of the incident.
    """

    alert_id: int
    channel: str
    attempt: int
    is_recovery: bool
    notification: Notification
    recorded_at: datetime
    opened_at: datetime
    alerts: int
    was_reported: bool


def dispatch(session: Session, channels: Sequence[str], limits: DeliveryLimits) -> int:
    """Turn what is due into messages, and create the delivery of each message through each channel.

    A channel that is set up later gets no messages that others have delivered. Those of a channel that is no longer set
    up wait for it like those without a channel.

    Returns:
        The number of messages without a delivery; they wait for a channel.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def create(cursor: Cursor) -> int:
        with exclusive_transaction(cursor):
            if is_muted(cursor):
                return 0
            cursor.execute(_SUMMARIZE, limits._asdict())
            cursor.execute(_ABANDON, limits._asdict() | {"channels": [*channels]})
            cursor.execute(_UNDISPATCHED, limits._asdict())
            alert_ids = [row[0] for row in cursor]
            if channels and alert_ids:
                cursor.execute(_DISPATCH, {"alert_ids": alert_ids, "channels": [*channels]})
                cursor.execute(_MERGE)
        return 0 if channels else len(alert_ids)

    return session.run(create)


def claim(session: Session, channel: str, limits: DeliveryLimits) -> Claim | None:
    """Return the next message to send through a channel, None if none is due; it is not due again for `limits.claim`.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def take(cursor: Cursor) -> Claim | None:
        if is_muted(cursor):
            return None
        cursor.execute(_CLAIM, {"channel": channel, "claim": limits.claim})
        if (row := cursor.fetchone()) is None:
            return None
        alert_id, name, attempt, is_recovery, notification, recorded_at, opened_at, incident_id = row
        values = {"incident_id": incident_id, "channel": name, "is_recovery": is_recovery, "alert_id": alert_id}
        cursor.execute(_COUNT, values)
        was_reported, alerts = cursor.fetchone() or (False, 0)
        times = (recorded_at.astimezone(UTC), opened_at.astimezone(UTC))
        return Claim(alert_id, name, attempt, is_recovery, Notification(**notification), *times, alerts, was_reported)

    return session.run(take)


def finish(session: Session, claimed: Claim, outcome: Delivery, limits: DeliveryLimits) -> DeliveryState:
    """Store the outcome of an attempt, and return the new state of the delivery.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """
    values = {
        "alert_id": claimed.alert_id,
        "channel": claimed.channel,
        "attempts": claimed.attempt,
        "reason": outcome.reason,
        "give_up": limits.give_up,
        "at_once": outcome.is_permanent,
        "state": "given up",
        "pause": _pause(claimed.attempt, outcome.retry_after_s),
    }

    def store(cursor: Cursor) -> DeliveryState:
        if outcome.delivered:
            cursor.execute(_SENT, values)
            return "sent"
        cursor.execute(_END, values)
        if cursor.rowcount:
            return "given up"
        cursor.execute(_FAILED, values)
        if outcome.retry_after_s is not None:  # the server limits the rate of all messages
            cursor.execute(_HOLD, values)
        return "pending"

    return session.run(store)


def skip(session: Session, claimed: Claim) -> None:
    """Record that a recovery is not sent, because its channel has delivered no alert of the incident.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """
    values = {
        "alert_id": claimed.alert_id,
        "channel": claimed.channel,
        "attempts": claimed.attempt,
        "reason": NOT_REPORTED,
        "give_up": timedelta(0),
        "at_once": True,
        "state": "skipped",
    }
    session.run(lambda cursor: cursor.execute(_END, values))


def _pause(attempt: int, retry_after_s: float | None) -> timedelta:
    """Return how long to wait after a failed attempt."""
    pause_s = min(FIRST_PAUSE_S * 2 ** min(attempt - 1, _MAX_DOUBLINGS), LONGEST_PAUSE_S)
    return timedelta(seconds=max(pause_s, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)))
