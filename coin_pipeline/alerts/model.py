"""What happened: an alert opens an incident or adds to it, and a recovery closes it."""

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
