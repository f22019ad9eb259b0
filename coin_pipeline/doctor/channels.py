"""Checks of the channels of alerts; a message is sent only if that is asked for."""

import http.client
import urllib.error
from urllib.parse import urlsplit

from coin_pipeline.doctor import texts
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.notifications.channels import open_mail, open_slack
from coin_pipeline.notifications.message import Channel, Notification
from coin_pipeline.notifications.webhooks import PrivateAddress, webhook_opener
from coin_pipeline.settings import Settings

TIMEOUT_S = 4


def mail(at: Installation) -> Finding:
    """Log in at the mail server, or send a test mail."""
    channel = open_mail(at.settings)
    if channel is None:
        return at.ok(texts.CHANNEL_UNSET)
    if at.send:
        return _sent(at, channel)
    delivery = channel.check(TIMEOUT_S)
    if not delivery:
        return at.failed(texts.CHANNEL_FAILED, reason=delivery.reason)
    return at.ok(texts.MAIL_OK, server=f"{at.settings.smtp_host}:{at.settings.smtp_port}")


def slack(at: Installation) -> Finding:
    """Connect to the server of the webhook, or send a test message; warn if no channel is set up."""
    channel = open_slack(at.settings)
    if channel is None:
        is_silent = open_mail(at.settings) is None
        return at.warning(texts.CHANNEL_NONE, texts.CHANNEL_NONE_ADVICE) if is_silent else at.ok(texts.CHANNEL_UNSET)
    if at.send:
        return _sent(at, channel)
    server, problem = webhook_server(at.settings)
    if problem:
        return at.failed(texts.CHANNEL_FAILED, reason=f"{server}: {problem}")
    return at.ok(texts.SLACK_OK, server=server)


def webhook_server(settings: Settings) -> tuple[str, str]:
    """Return the server of the webhook, and why it does not respond; its path, the secret, is not sent."""
    parts = urlsplit(settings.slack_webhook_url.get_secret_value() if settings.slack_webhook_url else "")
    root = f"{parts.scheme}://{parts.netloc}/"
    try:
        with webhook_opener(root, allow_private=settings.coin_allow_private_webhooks).open(root, timeout=TIMEOUT_S):
            return parts.netloc, ""
    except urllib.error.HTTPError as error:
        error.close()  # any response shows that the server can be reached
        return parts.netloc, ""
    except (OSError, http.client.HTTPException, PrivateAddress) as error:
        return parts.netloc, str(getattr(error, "reason", error)) or type(error).__name__


def _sent(at: Installation, channel: Channel) -> Finding:
    delivery = channel.send(Notification(at.write(texts.TEST_TITLE), at.write(texts.TEST_MESSAGE)))
    if delivery.reason:  # which may name some recipients of a mail that others received
        return at.failed(texts.CHANNEL_FAILED, reason=delivery.reason)
    return at.ok(texts.CHANNEL_SENT)
