"""The notification that is sent for a message: what was reported, how often, and its number."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from coin_pipeline.alerts.deliveries import Claim
from coin_pipeline.notifications.message import Notification

Language = Literal["en", "ko"]
_LABELS: Mapping[Language, tuple[str, str, str]] = {
    "en": ("Occurrences", "{alerts}, since {since:%Y-%m-%d %H:%M} UTC", "Alert"),
    "ko": ("발생 횟수", "{since:%Y-%m-%d %H:%M} UTC 이후 {alerts}회", "알림 번호"),
}
"""By language: label and text of the number of occurrences, and label of the number of the alert."""


def compose(claim: Claim, language: Language) -> Notification:
    """Return what is sent for a message.

    Its id identifies it: it may be sent again if the process is killed before the outcome is stored.
    """
    occurrences, text, number = _LABELS[language]
    details = dict(claim.notification.details)
    if claim.alerts > 1:
        details[occurrences] = text.format(alerts=claim.alerts, since=claim.opened_at)
    details[number] = f"{claim.alert_id}"
    identity = f"alert-{claim.alert_id}-{claim.recorded_at.timestamp():.6f}"
    return replace(claim.notification, details=details, id=identity)
