"""The dead man's switch of the daemon, which reports everything else: the API notices that it is silent."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from coin_pipeline.alerts.dead_man import daemon_back, daemon_silent
from coin_pipeline.alerts.model import Event
from coin_pipeline.alerts.texts import Writer

SILENCE_S = 90.0
"""Three of Dagster's intervals between heartbeats."""
Heartbeats = Mapping[str, float | None]
"""Time of the latest heartbeat of each daemon, by the clock of its machine; None if it has never had one."""


class DaemonWatch:
    """Reports once that daemons are silent, and once that all have heartbeats again.

    A heartbeat counts as new if it differs from the one before, whatever the clocks show. After an outage of the
    database the silence is measured from its end: the daemon could not store a heartbeat either.

    Args:
        read: Returns the heartbeats, or raises DatabaseUnavailable.
        record: Stores events in the outbox, or raises DatabaseUnavailable.
        writer: Writes the alert.
        silence_s: Time without a new heartbeat after which a daemon counts as silent, s.
        clock: Returns a time that never goes back, s.
    """

    def __init__(
        self,
        read: Callable[[], Heartbeats],
        record: Callable[[Sequence[Event]], object],
        writer: Writer,
        *,
        silence_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._record = record
        self._writer = writer
        self._clock = clock
        self._silence_s = silence_s
        self._seen: dict[str, _Seen] = {}
        self._is_silent: bool | None = None  # as far as reported

    def run(self) -> str:
        """Read the heartbeats, and report the beginning or the end of a silence.

        Returns:
            A log line, or an empty string.

        Raises:
            DatabaseUnavailable: The database cannot be reached.
        """
        try:
            beats = self._read()
        except BaseException:
            self._seen.clear()
            raise
        now = self._clock()
        self._seen = {name: _Seen.next(self._seen.get(name), beat, now) for name, beat in beats.items()}
        silent = [name for name, seen in self._seen.items() if now - seen.since >= self._silence_s]
        is_known = bool(silent) or all(seen.has_changed for seen in self._seen.values())
        if not is_known or bool(silent) == self._is_silent:
            return ""
        self._record([self._silence(silent) if silent else daemon_back(self._writer)])
        self._is_silent = bool(silent)
        return f"no heartbeat of {', '.join(silent)}" if silent else "all daemons have heartbeats"

    def _silence(self, silent: Sequence[str]) -> Event:
        """Return an alert that is the same after a restart of the API."""
        latest = max(self._seen[name].beat or 0 for name in silent)
        return daemon_silent(silent, f"since {latest:.0f}", self._silence_s, self._writer)


class _Seen(NamedTuple):
    """The latest heartbeat of a daemon, since when it is the latest (monotonic, s), and whether another preceded it."""

    beat: float | None
    since: float
    has_changed: bool = False

    @classmethod
    def next(cls, seen: Self | None, beat: float | None, now: float) -> Self:
        """Return what is known after a look at `now`."""
        if seen is None:
            return cls(beat, now)
        return seen if beat == seen.beat else cls(beat, now, has_changed=True)
