"""Rate limiting by the server's report of remaining requests per second, optionally shared between processes."""

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from coin_pipeline.storage.atomic import translate_os_errors

WINDOW_S = 1.0
_DEFAULT_INTERVAL_S = 0.1
"""Interval between requests if responses do not report the remaining ones."""
_REMAINING = re.compile(r"\bsec=(\d{1,9})\b")


class Timer:
    """Monotonic clock for pauses, the same for all processes of a machine."""

    def now(self) -> float:
        """Return seconds since an arbitrary moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Suspend the thread."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Second:
    """State after the last response: requests left in a second that began at `since` at the latest."""

    left: int = 0
    since: float = 0.0
    free: float = 0.0
    """When the next request may be sent."""


class RateLimiter:
    """Limits requests to the rate that the server allows.

    Args:
        timer: Clock for all waiting.
        shared: File with the state shared by processes on this machine, which then send one after another; None limits
            this client alone.
    """

    def __init__(self, timer: Timer, shared: Path | None = None) -> None:
        self._timer, self._shared = timer, shared
        self._last = _Second()

    @contextmanager
    def acquire(self) -> Iterator[Callable[[str], None]]:
        """Wait until a request may be sent, and yield a callback for the Remaining-Req header of its response.

        Raises:
            StorageFailed: The shared file cannot be opened.
        """
        if self._shared is None:
            with self._wait(self._last) as update:
                yield update
            return
        with _locked(self._shared) as file:
            with self._wait(_read(file)) as update:
                yield update
            _write(file, self._last)

    @contextmanager
    def _wait(self, last: _Second) -> Iterator[Callable[[str], None]]:
        # Never pause for over a second: a file written before the last reboot can contain any time.
        pause = min(last.free - self._timer.now(), WINDOW_S)
        if pause > 0:
            self._timer.sleep(pause)
        self._last = last
        yield self._update

    def _update(self, remaining: str) -> None:
        """Update the state from a header such as `group=candles; min=600; sec=9`."""
        now, match = self._timer.now(), _REMAINING.search(remaining)
        if match is None:
            self._last = replace(self._last, free=now + _DEFAULT_INTERVAL_S)
            return
        left = int(match[1])
        # As many left as before, or more: a new second has begun, which ends a second from now at the latest.
        since = now if left >= self._last.left else self._last.since
        end = since + WINDOW_S
        self._last = _Second(left, since, free=0.0 if left else (end if end > now else now + WINDOW_S))


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    with translate_os_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: TextIO) -> _Second:
    """Return the state of the previous process; a fresh one if there is none or it was killed while writing."""
    try:
        return _Second(**json.loads(file.read()))
    except (ValueError, TypeError):
        return _Second()


def _write(file: TextIO, last: _Second) -> None:
    file.seek(0)
    file.write(json.dumps(asdict(last)))
    file.truncate()
