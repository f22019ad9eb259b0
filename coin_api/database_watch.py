"""Alerts on an outage of PostgreSQL, whose outbox is then away too: the API sends them by itself."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from coin_pipeline.alerts.dead_man import database_away, database_back
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.notifications.message import Channel, Notification

AWAY_S = 60.0
"""Longer than a restart of the server takes."""
RETRY_S = 60.0
"""Pause after a failed attempt."""
_log = logging.getLogger("coin.alerts")


class DatabaseWatch:
    """Sends one message per outage through one channel, and one when it is over.

    That the first was sent is noted in a file, so that a restart of the API repeats it no more than the second is lost.
    The first failed attempt to send each is logged.

    Args:
        probe: Returns if the database responds, else raises DatabaseUnavailable.
        channel: The channel.
        note: The file.
        writer: Writes the messages.
        away_s: Length of an outage after which it is reported, s.
        retry_s: Pause after a failed attempt to send, s.
        clock: Returns a time that never goes back, s.
    """

    def __init__(
        self,
        probe: Callable[[], object],
        channel: Channel,
        note: Path,
        writer: Writer,
        *,
        away_s: float = AWAY_S,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._channel = channel
        self._note = note
        self._writer = writer
        self._clock = clock
        self._away_s = away_s
        self._retry_s = retry_s
        self._away_since: float | None = None
        self._retry_at = 0.0
        self._failed_title = ""

    def run(self) -> str:
        """Probe the database, and send what is due.

        Returns:
            A log line, or an empty string.
        """
        now = self._clock()
        try:
            self._probe()
        except DatabaseUnavailable as error:
            self._away_since = now if self._away_since is None else self._away_since
            is_due = now - self._away_since >= self._away_s and now >= self._retry_at and not self._note.exists()
            return self._report(str(error), now) if is_due else ""
        self._away_since = None
        return self._report_end(now) if now >= self._retry_at and self._note.exists() else ""

    def _report(self, reason: str, now: float) -> str:
        identity = f"database-{time.time_ns()}"
        if not self._send(database_away(reason, self._away_s, identity, self._writer), now):
            return ""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(identity)
        return f"an outage of the database was reported through {self._channel.name}"

    def _report_end(self, now: float) -> str:
        if not self._send(database_back(f"{self._note.read_text()}-end", self._writer), now):
            return ""
        self._note.unlink()
        return f"the end of an outage of the database was reported through {self._channel.name}"

    def _send(self, notification: Notification, now: float) -> bool:
        """Send a notification, and return whether it was delivered."""
        delivery = self._channel.send(notification)
        if not delivery and notification.title != self._failed_title:
            values = (notification.title, self._channel.name, delivery.reason)
            _log.error("'%s' was not delivered by %s and is retried: %s", *values)
        self._failed_title = "" if delivery else notification.title
        self._retry_at = 0.0 if delivery else now + self._retry_s
        return bool(delivery)
