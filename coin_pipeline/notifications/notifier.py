"""Notifiers for scripts: one message through one channel of the settings, awaited.

Alerts of the platform are stored before they are sent (`coin_pipeline.alerts`); these are sent once, now.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, cast

from coin_pipeline.errors import InvalidInput, InvalidSettings, Problem
from coin_pipeline.notifications.channels import open_mail, open_slack
from coin_pipeline.notifications.message import LEVELS, Channel, Delivery, Level, Notification
from coin_pipeline.settings import Settings, load_settings


class _Notifier(ABC):
    """Sends through one channel.

    Args:
        settings: The settings; defaults to those of the environment and `.env`.
    """

    _unset: ClassVar[str]
    """Why there is no channel."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    async def send(
        self,
        title: str,
        message: str,
        level: str = "info",
        details: Mapping[str, str] | None = None,
        link: str = "",
    ) -> Delivery:
        """Send a message and wait for the server's answer.

        Args:
            title: One line.
            message: The text.
            level: info, warning, error or critical, in any case.
            details: Labelled values.
            link: URL of a page about it.

        Returns:
            Whether the server accepted it, and if not, why; true if it did. A channel without settings is a reason too.

        Raises:
            InvalidInput: The level is unknown.
        """
        notification = Notification(title, message, parse_level(level), details or {}, link)
        return await asyncio.to_thread(self._send, notification)

    @abstractmethod
    def _open(self, settings: Settings) -> Channel | None:
        """Return the channel, or None if it is not set; raises InvalidSettings."""

    def _send(self, notification: Notification) -> Delivery:
        try:
            channel = self._open(self._settings or load_settings())
        except InvalidSettings as error:
            return Delivery(delivered=False, reason=str(error), is_permanent=True)
        return channel.send(notification) if channel else Delivery(False, self._unset, is_permanent=True)


class SlackNotifier(_Notifier):
    """Sends to the webhook of SLACK_WEBHOOK_URL.

    >>> import asyncio
    >>> asyncio.run(SlackNotifier().send(title="Test", message="It works.", level="INFO"))
    Delivery(delivered=False, reason='SLACK_WEBHOOK_URL is not set, or SLACK_ENABLED is false', is_permanent=True, ...)
    """

    _unset = "SLACK_WEBHOOK_URL is not set, or SLACK_ENABLED is false"

    def _open(self, settings: Settings) -> Channel | None:
        return open_slack(settings)


class EmailNotifier(_Notifier):
    """Sends a mail through SMTP_HOST to EMAIL_TO, by default the sender."""

    _unset = "SMTP_HOST is not set, or EMAIL_ENABLED is false"

    def _open(self, settings: Settings) -> Channel | None:
        return open_mail(settings)


def parse_level(level: str) -> Level:
    """Return a level that was written in any case.

    Raises:
        InvalidInput: It is not a level.

    >>> parse_level("INFO")
    'info'
    """
    if level.lower() not in LEVELS:
        raise InvalidInput([Problem("level", f"{level!r:.60} is not a level; choose one of {', '.join(LEVELS)}")])
    return cast("Level", level.lower())
