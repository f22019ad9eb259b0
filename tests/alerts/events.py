"""Events that tests of alerts report."""

from coin_pipeline.alerts.model import Alert, Recovery
from coin_pipeline.notifications.message import Notification

KEY = "job refresh_candles"


def failure(occurrence: object, key: str = KEY) -> Alert:
    """Return an alert whose title has the occurrence."""
    return Alert(key, str(occurrence), Notification(f"failure {occurrence}", "the exchange is away", "error"))


def recovery(key: str = KEY) -> Recovery:
    """Return a recovery."""
    return Recovery(key, Notification("it works again", "", "info"))
