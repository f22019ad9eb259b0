"""Progress of this process, which distinguishes a long computation from one that never ends.

A process executes one run. Whatever its threads compute, they report each finished part here; the heartbeat of the run
records how long ago the last one was.
"""

import time

_reported_at = time.monotonic()


def report_progress() -> None:
    """Record that a part of the work is done, such as one call of a strategy or one request; takes nanoseconds."""
    global _reported_at  # noqa: PLW0603 -- one time per process
    _reported_at = time.monotonic()


def idle_s() -> float:
    """Return the time since the last report of any thread, seconds.

    >>> report_progress()
    >>> idle_s() < 1
    True
    """
    return time.monotonic() - _reported_at
