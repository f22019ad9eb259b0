"""Files in the server's home: private, locked between processes, written atomically. Standard library only."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from coin_pipeline.storage.log_files import LogLimit

LOG_LIMIT = LogLimit(4_000_000, files=2)
TAIL_BYTES = 1_500


def open_private(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file, creating it if missing, that only its owner can read; root gives it to the owner of the folder."""
    fd = os.open(path, flags | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(fd, folder.st_uid, folder.st_gid)
    return fd


def write_atomically(path: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old text or the new one."""
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def try_flock(fd: int, operation: int) -> bool:
    """Lock an open file without waiting; return whether it succeeded.

    The kernel releases the lock when the last copy of `fd` is closed.
    """
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_lock(path: Path, operation: int = fcntl.LOCK_EX) -> int | None:
    """Return a descriptor that holds the lock of `path`, or None while another process holds it."""
    fd = open_private(path)
    if try_flock(fd, operation):
        return fd
    os.close(fd)
    return None


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; return whether it became true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def log_size(log: Path) -> int:
    """Return the size of a log in bytes, 0 if it does not exist."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, start: int = 0) -> str:
    """Return the last lines of a log, ignoring its first `start` bytes."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(start, log_size(log) - TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
