"""The pool's lock file: one pool per DATA_ROOT, and whether one runs or is about to restart.

A pool and the workers it forks hold the lock. The file contains the pool's process id while it serves, and its
modification time is when it last served. A pool that shuts down cleanly empties the file.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.settings import load_settings

LOCK_NAME, LOCK_TIMEOUT_S = "pool.lock", 30.0
RESTART_S = 60.0
"""How long runs wait for a pool that was killed; after that no restart is expected."""


@contextlib.contextmanager
def single_instance(home: Path) -> Iterator[IO[str]]:
    """Hold the lock of this DATA_ROOT; the kernel may still be ending the workers of a pool that was killed.

    Raises:
        ServiceUnavailable: another pool holds the lock.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with (home / LOCK_NAME).open("a+") as lock:
        while not _acquire(lock):
            _kill_session(lock)
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"another worker pool serves {home}")
            time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock
        lock.truncate(0)


def announce_pool(home: Path) -> None:
    """Record that a pool is about to start, so that runs launched before it has the lock wait for it."""
    with (home / LOCK_NAME).open("a+") as lock:
        if os.fstat(lock.fileno()).st_size == 0:
            lock.write("0")
        os.utime(lock.fileno())


def record_alive(lock: IO[str]) -> None:
    """Record that the pool serves now."""
    os.utime(lock.fileno())


def is_pool_expected(home: Path) -> bool:
    """Return whether a pool runs in this home, or was killed so recently that it is being restarted."""
    try:
        with (home / LOCK_NAME).open() as lock:
            if not _acquire(lock, fcntl.LOCK_SH):  # shared, so that two callers are not taken for a pool
                return True
            killed = bool(lock.read())
            return killed and time.time() - os.fstat(lock.fileno()).st_mtime < RESTART_S
    except FileNotFoundError:
        return False


def _acquire(lock: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Try to take the lock, which forked workers share: it is free once the last of them has ended."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kill_session(lock: IO[str]) -> None:
    """Kill the processes that the runs of a dead pool had started."""
    lock.seek(0)
    pool = int(lock.read() or 0)
    if pool and not Path(f"/proc/{pool}").exists():
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(int(process.name)) == pool:
                    os.kill(int(process.name), signal.SIGKILL)


def pool_home() -> Path:
    """Return the directory of the pool's socket and lock."""
    return load_settings().data_root / "dagster"
