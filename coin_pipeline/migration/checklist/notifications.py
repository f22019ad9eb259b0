"""Items about Slack and mail; two of them send a test notification."""

from urllib.parse import urlsplit

from coin_pipeline.migration.checklist.item import ChecklistOutcome, failed, not_applicable, passed
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.notifications.channels import open_mail, open_slack
from coin_pipeline.notifications.message import Channel, Notification

TEST = Notification(
    title="Test of notifications",
    message="'coin migrate check' sent this. Alerts of the platform arrive here.",
    details={"Characters": "알림 <b>&amp; *text*"},
)
"""Shows whether text arrives as it is written."""
_NO_SLACK = not_applicable("SLACK_WEBHOOK_URL is not set, or SLACK_ENABLED is false; no alert is sent to Slack")
_NO_MAIL = not_applicable("SMTP_HOST is not set, or EMAIL_ENABLED is false; no alert is sent by mail")


def slack_settings(inspector: Inspector) -> ChecklistOutcome:
    """Check the URL of the webhook, and report its host: the rest of it is a secret."""
    url = inspector.settings.slack_webhook_url
    if open_slack(inspector.settings) is None or url is None:
        return _NO_SLACK
    return passed(f"SLACK_WEBHOOK_URL is valid, at {urlsplit(url.get_secret_value()).hostname}")


def mail_settings(inspector: Inspector) -> ChecklistOutcome:
    """Check that the settings of mail are complete."""
    settings = inspector.settings
    if open_mail(settings) is None:
        return _NO_MAIL
    return passed(f"through {settings.smtp_host}:{settings.smtp_port} to {', '.join(settings.email_to)}")


def slack_sent(inspector: Inspector) -> ChecklistOutcome:
    """Send a test notification to Slack."""
    return _sent(open_slack(inspector.settings), _NO_SLACK)


def mail_sent(inspector: Inspector) -> ChecklistOutcome:
    """Send a test notification by mail."""
    return _sent(open_mail(inspector.settings), _NO_MAIL)


def slack_alerts(inspector: Inspector) -> ChecklistOutcome:
    """Check that alerts go to Slack."""
    return _NO_SLACK if open_slack(inspector.settings) is None else passed("'coin alerts list' shows what was sent")


def _sent(channel: Channel | None, unset: ChecklistOutcome) -> ChecklistOutcome:
    if channel is None:
        return unset
    delivery = channel.send(TEST)
    if delivery.reason:  # which may name some recipients of a mail that others received
        return failed(delivery.reason)
    return passed(f"the server accepted {TEST.title!r}")
