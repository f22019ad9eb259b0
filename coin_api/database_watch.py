"""Alerts on an outage of PostgreSQL, whose outbox is then away too: the API sends them by itself."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
    Without the file, as on a full disk, messages are still sent once. The first failed attempt to send each is logged.

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
        self._is_reported = note.exists()
        self._retry_at = 0.0
        self._failed_title = self._identity = ""

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
            is_due = now - self._away_since >= self._away_s and now >= self._retry_at and not self._is_reported
            return self._report(str(error), now) if is_due else ""
        self._away_since = None
        if not self._is_reported:
            self._failed_title = ""  # an outage that could not be reported is over
            return ""
        return self._report_end(now) if now >= self._retry_at else ""

    def _report(self, reason: str, now: float) -> str:
        if not self._send(database_away(reason, self._away_s, self._writer), now):
            return ""
        self._is_reported = True
        with self._logged_errors():
            self._note.parent.mkdir(parents=True, exist_ok=True)
            self._note.touch()
        return f"an outage of the database was reported through {self._channel.name}"

    def _report_end(self, now: float) -> str:
        if not self._send(database_back(self._writer), now):
            return ""
        self._is_reported = False
        with self._logged_errors():
            self._note.unlink(missing_ok=True)
        return f"the end of an outage of the database was reported through {self._channel.name}"

    @contextmanager
    def _logged_errors(self) -> Iterator[None]:
        """Log that the note could not be changed: on a full disk the outage is reported too."""
        try:
            yield
        except OSError as error:
            _log.warning("a restart of the API may repeat a message on an outage of the database: %s", error)

    def _send(self, notification: Notification, now: float) -> bool:
        """Send a notification, and return whether it was delivered; another attempt has the same id."""
        is_first = notification.title != self._failed_title
        if is_first:
            self._identity = f"database-{time.time_ns()}"
        delivery = self._channel.send(replace(notification, id=self._identity))
        if not delivery and is_first:
            values = (notification.title, self._channel.name, delivery.reason)
            _log.error("'%s' was not delivered by %s and is retried: %s", *values)
        self._failed_title = "" if delivery else notification.title
        self._retry_at = 0.0 if delivery else now + self._retry_s
        return bool(delivery)
