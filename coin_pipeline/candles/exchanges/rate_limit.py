"""How fast a server lets us ask: so many requests in each second, of which its answers say how many are left."""

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
_UNTOLD_S = 0.1
"""How far apart requests are where answers do not say how many are left."""
_LEFT = re.compile(r"\bsec=(\d{1,9})\b")


class Timer:
    """The clock that pauses are measured with; never the time of day, and the same in all programs of a machine."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Second:
    """What the last answer said: how many requests were left in a second that began at `since` at the latest."""

    left: int = 0
    since: float = 0.0
    free: float = 0.0
    """When the next request may be sent."""


class RateLimiter:
    """Turns of sending a request; with a file that they share, programs of this machine take them one after another."""

    def __init__(self, timer: Timer, shared: Path | None = None) -> None:
        self._timer, self._shared = timer, shared
        self._last = _Second()

    @contextmanager
    def acquire(self) -> Iterator[Callable[[str], None]]:
        """Wait for a turn; the block sends a request, and calls what it gets with the header Remaining-Req.

        Raises:
            StorageFailed: The file through which turns are taken cannot be opened.
        """
        if self._shared is None:
            with self._waited(self._last) as heard:
                yield heard
            return
        with _locked(self._shared) as file:
            with self._waited(_read(file)) as heard:
                yield heard
            _write(file, self._last)

    @contextmanager
    def _waited(self, last: _Second) -> Iterator[Callable[[str], None]]:
        # No pause is longer than a second: a file from before the machine was started anew says anything.
        pause = min(last.free - self._timer.now(), WINDOW_S)
        if pause > 0:
            self._timer.sleep(pause)
        self._last = last
        yield self._hear

    def _hear(self, remaining: str) -> None:
        """Hear what an answer says, such as `group=candles; min=600; sec=9`."""
        now, found = self._timer.now(), _LEFT.search(remaining)
        if found is None:
            self._last = replace(self._last, free=now + _UNTOLD_S)
            return
        left = int(found[1])
        # As many as before, or more: another second has begun meanwhile, and is over a second from now at the latest.
        since = now if left >= self._last.left else self._last.since
        over = since + WINDOW_S
        self._last = _Second(left, since, free=0.0 if left else (over if over > now else now + WINDOW_S))


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    with translate_os_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: TextIO) -> _Second:
    """Return what the program before us heard; nothing where there was none, or it was killed while it wrote."""
    try:
        return _Second(**json.loads(file.read()))
    except (ValueError, TypeError):
        return _Second()


def _write(file: TextIO, last: _Second) -> None:
    file.seek(0)
    file.write(json.dumps(asdict(last)))
    file.truncate()
