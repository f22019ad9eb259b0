"""The files of the server's home: private, locked between processes, replaced at once. Standard library only."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

LOG_BYTES = 4_000_000
TAIL_BYTES = 1_500


def open_private(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file, made if missing, that only its owner may read; root leaves it to the owner of the folder."""
    fd = os.open(path, flags | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(fd, folder.st_uid, folder.st_gid)
    return fd


def write(path: Path, text: str) -> None:
    """Replace a file at once: a reader finds the old text or the new."""
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def take(fd: int, operation: int) -> bool:
    """Try to lock an open file without waiting; the kernel unlocks it when the last copy of `fd` is closed."""
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_lock(path: Path, operation: int = fcntl.LOCK_EX) -> int | None:
    """Return a descriptor that holds the lock of `path`, or None while another excludes it."""
    fd = open_private(path)
    if take(fd, operation):
        return fd
    os.close(fd)
    return None


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def size(log: Path) -> int:
    """Return the length of a log in bytes, 0 if there is none."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, start: int = 0) -> str:
    """Return the last lines that a log received after its first `start` bytes."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(start, size(log) - TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def bound(log: Path) -> None:
    """Move the text of a long log to `.1`; its writers, which append, go on at the start."""
    if size(log) > LOG_BYTES:
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            older = open_private(log.with_name(log.name + ".1"), os.O_WRONLY | os.O_TRUNC)
            with os.fdopen(older, "wb") as file:
                file.write(log.read_bytes())
            os.truncate(log, 0)
