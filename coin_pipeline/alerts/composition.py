"""The notification that is sent for a message: what was reported, how often, and its number."""

from dataclasses import replace

from coin_pipeline.alerts.deliveries import Claim
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.languages import Text
from coin_pipeline.notifications.message import Notification

OCCURRENCES = Text("Occurrences", "발생 횟수")
SINCE = Text("{alerts}, since {since:%Y-%m-%d %H:%M} UTC", "{since:%Y-%m-%d %H:%M} UTC 이후 {alerts}회")
RECORDED = Text("Reported", "기록 시각")
NUMBER = Text("Alert", "알림 번호")


def compose(claim: Claim, writer: Writer) -> Notification:
    """Return what is sent for a message.

    Its id identifies it: it may be sent again if the process is killed before the outcome is stored. It has the time of
    the report, because it may arrive days later.
    """
    details = dict(claim.notification.details)
    if claim.alerts > 1:
        details[writer.write(OCCURRENCES)] = writer.write(SINCE, alerts=claim.alerts, since=claim.opened_at)
    details[writer.write(RECORDED)] = f"{claim.recorded_at:%Y-%m-%d %H:%M} UTC"
    details[writer.write(NUMBER)] = f"{claim.alert_id}"
    identity = f"alert-{claim.alert_id}-{claim.recorded_at.timestamp():.6f}"
    return replace(claim.notification, details=details, id=identity)
