"""Whether a process of this machine still runs, whatever it is too busy to say of itself."""

import os
from contextlib import suppress
from pathlib import Path

_STOPPED_OR_ENDED = frozenset("TtZXx")


def start_ticks(pid: int) -> int:
    """Return when a process was started, in ticks since the machine was; 0 if there is none, or it cannot be told.

    A number of a process is used again after it; number and start together are not.
    """
    fields = _fields(pid)
    return int(fields[19]) if fields else 0


def is_running(pid: int, since: int) -> bool:
    """Tell whether the process that was started then lives and is not stopped."""
    fields = _fields(pid)
    if fields:
        return fields[0] not in _STOPPED_OR_ENDED and int(fields[19]) == since
    return not Path("/proc/self/stat").exists() and _exists(pid)


def send_signal(pid: int, since: int, signum: int) -> None:
    """Send a signal to the process that was started then, if it is still there."""
    if since and start_ticks(pid) == since:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name, which may hold any character."""
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
