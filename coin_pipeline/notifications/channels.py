"""The channels of the settings, and what is wrong with their settings."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from coin_pipeline.errors import InvalidSettings, Problem
from coin_pipeline.notifications.mail import MailChannel, MailServer
from coin_pipeline.notifications.message import Channel
from coin_pipeline.notifications.slack import SlackChannel
from coin_pipeline.notifications.webhooks import webhook_problem
from coin_pipeline.settings import Settings

_TLS_PORT = 465
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels that are set and enabled; nothing is connected.

    Raises:
        InvalidSettings: The settings of a channel are malformed or incomplete.
    """
    _require_none(channel_problems(settings))
    return tuple(channel for channel in (open_slack(settings), open_mail(settings)) if channel)


def channel_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with the settings of the channels that are set and enabled, without secrets."""
    return [*slack_problems(settings), *mail_problems(settings)]


def channel_notices(settings: Settings) -> list[str]:
    """Return what an operator should know about channels whose settings are complete."""
    if not (settings.email_enabled and settings.smtp_host) or settings.email_to:
        return []
    return [f"EMAIL_TO is not set, so alerts are mailed to their sender, {sender(settings)}"]


def open_slack(settings: Settings) -> Channel | None:
    """Return the Slack channel, or None if it is unset or disabled; raises InvalidSettings."""
    _require_none(slack_problems(settings))
    if not (settings.slack_enabled and settings.slack_webhook_url):
        return None
    return SlackChannel(settings.slack_webhook_url, allow_private=settings.coin_allow_private_webhooks)


def slack_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with the webhook."""
    if not (settings.slack_enabled and settings.slack_webhook_url):
        return []
    url = settings.slack_webhook_url.get_secret_value()
    problem = webhook_problem(url, allow_private=settings.coin_allow_private_webhooks)
    return [Problem("SLACK_WEBHOOK_URL", problem)] if problem else []


def open_mail(settings: Settings) -> MailChannel | None:
    """Return the mail channel, or None if it is unset or disabled; raises InvalidSettings."""
    _require_none(mail_problems(settings))
    if not (settings.email_enabled and settings.smtp_host):
        return None
    server = MailServer(
        settings.smtp_host, settings.smtp_port, _security(settings), settings.smtp_user, settings.smtp_password
    )
    return MailChannel(server, sender(settings), recipients(settings))


def mail_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with the settings of mail."""
    if not settings.email_enabled or not (settings.smtp_host or settings.email_to):
        return []
    return [*_missing(settings), *_malformed(settings)]


def _require_none(problems: list[Problem]) -> None:
    if problems:
        raise InvalidSettings(problems)


def _missing(settings: Settings) -> Iterator[Problem]:
    if not settings.smtp_host:
        yield Problem("SMTP_HOST", "is not set, but EMAIL_TO is; set the mail server, or EMAIL_ENABLED=false")
    if not sender(settings):
        yield Problem("SMTP_FROM_ADDR", "is not set, and SMTP_USER is not a mail address; set the sender of alerts")
    if settings.smtp_user and not settings.smtp_password:
        yield Problem("SMTP_PASSWORD", "is not set, but SMTP_USER is; set both or neither")
    if settings.smtp_password and not settings.smtp_user:
        yield Problem("SMTP_USER", "is not set, but SMTP_PASSWORD is; set both or neither")


def _malformed(settings: Settings) -> Iterator[Problem]:
    host = settings.smtp_host or ""
    if host and not _HOST.fullmatch(host):
        yield Problem("SMTP_HOST", f"{host!r:.60} is not the name or address of a server, such as smtp.gmail.com")
    senders = [settings.smtp_from_addr] if settings.smtp_from_addr else []
    for field, addresses in (("SMTP_FROM_ADDR", senders), ("EMAIL_TO", settings.email_to)):
        yield from (
            Problem(field, f"{address!r:.60} is not a mail address, such as ops@example.com")
            for address in _invalid(addresses)
        )
    if settings.smtp_password and _security(settings) == "none" and not _is_this_machine(host):
        yield Problem("SMTP_SECURITY", f"none would send SMTP_PASSWORD unencrypted to {host[:60]}; use starttls or tls")


def _invalid(addresses: Sequence[str]) -> list[str]:
    return [address for address in addresses if not _ADDRESS.fullmatch(address)]


def recipients(settings: Settings) -> tuple[str, ...]:
    """Return who gets the mails: the sender, unless EMAIL_TO is set, which the legacy platform did not have."""
    return settings.email_to or (sender(settings),)


def sender(settings: Settings) -> str:
    """Return the sender; the user name counts if it is a mail address."""
    user = settings.smtp_user or ""
    return settings.smtp_from_addr or (user if _ADDRESS.fullmatch(user) else "")


def _security(settings: Settings) -> Literal["starttls", "tls", "none"]:
    if settings.smtp_security != "auto":
        return settings.smtp_security
    return "tls" if settings.smtp_port == _TLS_PORT else "starttls"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
