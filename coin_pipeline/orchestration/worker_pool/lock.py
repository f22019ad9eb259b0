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
from coin_pipeline.orchestration.worker_pool.protocol import home_of
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.file_lock import FileLock, try_lock

LOCK_NAME, LOCK_TIMEOUT_S = "pool.lock", 30.0
RESTART_S = 60.0
"""How long runs wait for a pool that was killed; after that no restart is expected."""


@contextlib.contextmanager
def single_instance(home: Path) -> Iterator[FileLock]:
    """Hold the lock of this DATA_ROOT; the kernel may still be ending the workers of a pool that was killed.

    Raises:
        ServiceUnavailable: Another pool holds the lock.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with contextlib.closing(FileLock(home / LOCK_NAME)) as lock:
        while not lock.acquire():
            _kill_session(lock.file)
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"another worker pool serves {home}")
            time.sleep(0.1)
        lock.write(str(os.getpid()))
        yield lock
        lock.write("")


def announce_pool(home: Path) -> None:
    """Record that a pool is about to start, so that runs launched before it has the lock wait for it."""
    with (home / LOCK_NAME).open("a+") as lock:
        if os.fstat(lock.fileno()).st_size == 0:
            lock.write("0")
        os.utime(lock.fileno())


def record_alive(home: Path, lock: FileLock) -> None:
    """Record that the pool serves now; create the file again if it was deleted.

    Raises:
        ServiceUnavailable: Another pool has taken the lock since the file was deleted.
    """
    held = lock.file
    if not lock.restore():
        raise ServiceUnavailable(f"another worker pool serves {home}")
    if lock.file is not held:
        lock.write(str(os.getpid()))
    os.utime(lock.file.fileno())


def is_pool_expected(home: Path) -> bool:
    """Return whether a pool runs in this home, or was killed so recently that it is being restarted."""
    try:
        with (home / LOCK_NAME).open() as lock:
            if not try_lock(lock, fcntl.LOCK_SH):  # shared, so that two callers are not taken for a pool
                return True
            killed = bool(lock.read())
            return killed and time.time() - os.fstat(lock.fileno()).st_mtime < RESTART_S
    except FileNotFoundError:
        return False


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
    return home_of(load_settings().data_root)
