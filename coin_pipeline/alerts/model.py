"""What happened: an alert opens an incident or adds to it, and a recovery closes it."""

from datetime import datetime
from typing import Literal, NamedTuple, get_args

from coin_pipeline.notifications.message import Notification


class Alert(NamedTuple):
    """Something that went wrong.

    Attributes:
        key: The incident that it belongs to, such as `job refresh_candles`. Alerts of an open incident are counted and
            sent together.
        occurrence: What happened, such as a run id. The same occurrence of a key is recorded once, however often it is
            reported.
        notification: What is sent.
    """

    key: str
    occurrence: str
    notification: Notification


class Recovery(NamedTuple):
    """What was wrong works again; without effect unless an incident of this key is open.

    Attributes:
        key: The incident that it closes.
        notification: What is sent.
    """

    key: str
    notification: Notification


Event = Alert | Recovery


class Incident(NamedTuple):
    """An open incident: what went wrong last, and no recovery since.

    Rules read the open incidents (`outbox.open_incidents`), so that a condition that persists is reported once, and
    a recovery is looked for only where something is wrong.

    Attributes:
        key: Key of its alerts.
        opened_at: When its first alert was recorded, by the database's clock.
        last_alert_at: When its latest alert was recorded.
    """

    key: str
    opened_at: datetime
    last_alert_at: datetime


DeliveryState = Literal["pending", "sent", "merged", "skipped", "given up"]
"""merged: a later message of the incident counts it; skipped: not sent, as a recovery of what was not reported."""
AlertState = Literal[DeliveryState, "counted", "no channel"]
"""Of an alert, that of its worst delivery; counted: it is not a message of its own; no channel: none was available."""
ALERT_STATES: tuple[AlertState, ...] = (*get_args(DeliveryState), "counted", "no channel")


class DeliveryRow(NamedTuple):
    """The delivery of a message through a channel.

    Attributes:
        channel: Name of the channel.
        state: What has become of it.
        attempts: How often it was sent.
        due_at: Time of the next attempt, UTC, if it is pending.
        ended_at: When it was sent or given up, UTC; None if it is pending.
        reason: Why the latest attempt failed, or which recipients were refused; otherwise empty.
    """

    channel: str
    state: DeliveryState
    attempts: int
    due_at: datetime
    ended_at: datetime | None
    reason: str


class AlertRow(NamedTuple):
    """A stored alert or recovery.

    Attributes:
        alert_id: Its number.
        key: Key of its incident.
        is_recovery: Whether it is a recovery.
        notification: What is sent.
        recorded_at: When it was recorded, UTC, by the database's clock.
        state: What has become of it.
        deliveries: Its delivery through each channel.
    """

    alert_id: int
    key: str
    is_recovery: bool
    notification: Notification
    recorded_at: datetime
    state: AlertState
    deliveries: tuple[DeliveryRow, ...]
