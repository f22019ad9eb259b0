"""State of processes on this host, as the operating system reports it."""

import os
from contextlib import suppress
from pathlib import Path

KILL_GRACE_S = 1.0
"""Time between interrupting and killing the process of a run."""
_STOPPED_OR_ENDED = frozenset("TtZXx")


def start_ticks(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot, or 0 if there is no such process.

    It is also 0 on platforms without /proc. Process ids are reused; the combination of id and start time is not.
    """
    fields = _fields(pid)
    return int(fields[19]) if fields else 0


def is_running(pid: int, since: int) -> bool:
    """Return whether the process with this id and start time is alive and not stopped."""
    fields = _fields(pid)
    if fields:
        return fields[0] not in _STOPPED_OR_ENDED and int(fields[19]) == since
    return not Path("/proc/self/stat").exists() and _exists(pid)


def send_signal(pid: int, since: int, signum: int) -> None:
    """Send a signal to the process with this id and start time if it still exists."""
    if since and start_ticks(pid) == since:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the process name, which may contain any character."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
