"""What happened: an alert opens an incident or adds to it, and a recovery closes it."""

from datetime import datetime
from typing import NamedTuple

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
