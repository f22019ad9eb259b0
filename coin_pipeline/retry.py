"""Retries for work that needs a database or an object store, in threads that may wait through an outage."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from coin_pipeline.liveness import report_progress

T = TypeVar("T")
OUTAGE_S = 600.0
"""How long a run waits for an unavailable service before it fails, in seconds."""
PAUSE_S = 0.2
_tolerance_s = ContextVar("tolerance_s", default=0.0)
_log = logging.getLogger(__name__)


@contextmanager
def tolerate_outages(seconds: float = OUTAGE_S) -> Iterator[None]:
    """Let `retry_until_available` wait for unavailable services in this thread.

    Args:
        seconds: The longest wait for one piece of work.
    """
    previous = _tolerance_s.get()
    _tolerance_s.set(seconds)
    try:
        yield
    finally:
        _tolerance_s.set(previous)


def retry_until_available(work: Callable[[], T], is_unavailable: Callable[[Exception], bool]) -> T:
    """Run idempotent work, and repeat it while its service is unavailable and the thread tolerates outages.

    Outside `tolerate_outages` the work runs once.

    Args:
        work: The work; it may run more than once.
        is_unavailable: Whether an exception means that the service is unavailable.

    Returns:
        What `work` returns.

    >>> attempts = iter([ConnectionError, None])
    >>> def connect() -> str:
    ...     if error := next(attempts):
    ...         raise error
    ...     return "connected"
    >>> with tolerate_outages(seconds=5):
    ...     retry_until_available(connect, lambda error: isinstance(error, ConnectionError))
    'connected'
    """
    started, logged = time.monotonic(), False
    while True:
        try:
            return work()
        except Exception as error:
            if not is_unavailable(error) or time.monotonic() > started + _tolerance_s.get():
                raise
            if not logged:
                _log.warning("%s (retrying for up to %.0f s)", error, _tolerance_s.get())
                logged = True
        report_progress()  # this wait ends by itself
        time.sleep(PAUSE_S)
