"""Waiting for a database or an object store that is away, in a thread that can do nothing without it: that of a run."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
OUTAGE_S = 600.0
"""How long a run waits before it fails."""
PAUSE_S = 0.2
_own = threading.local()
_log = logging.getLogger(__name__)


@contextmanager
def tolerate_outages(seconds: float = OUTAGE_S) -> Iterator[None]:
    """Have this thread wait for what is away, in each piece of work on it, so long at most."""
    before = _patience()
    _own.seconds = seconds
    try:
        yield
    finally:
        _own.seconds = before


def retry_until_available(work: Callable[[], T], is_away: Callable[[Exception], bool]) -> T:
    """Do something that may be done twice: again while what it needs is away, if the thread is patient."""
    began, told = time.monotonic(), False
    while True:
        try:
            return work()
        except Exception as error:
            if not is_away(error) or time.monotonic() > began + _patience():
                raise
            if not told:
                _log.warning("%s (the run waits for it, %.0f s at most)", error, _patience())
                told = True
        time.sleep(PAUSE_S)


def _patience() -> float:
    return getattr(_own, "seconds", 0.0)
