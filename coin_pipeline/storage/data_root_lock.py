"""The lock that keeps two platforms from serving one DATA_ROOT."""

import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.file_lock import FileLock

LOCK_NAME = "up.lock"


class PlatformUrls(NamedTuple):
    """Public URLs of a platform, without a slash at the end."""

    api: str
    ui: str


def lock_data_root(data_root: Path) -> FileLock:
    """Lock `data_root` for one `coin up`, until the returned lock is closed or this process ends.

    Raises:
        InvalidInput: Another `coin up`, or a `coin serve`, serves it; two daemons would execute everything twice.
        StorageFailed: The folder cannot be created or written.
    """
    with translate_os_errors(data_root):
        lock = FileLock(data_root / LOCK_NAME)
    if not lock.acquire():
        lock.close()
        raise already_served(data_root)
    return lock


def join_data_root(data_root: Path) -> None:
    """Share `data_root` with the other services of one platform until this process, or what it executes, ends.

    Raises:
        InvalidInput: A `coin up` serves it.
        StorageFailed: The folder cannot be created or written.
    """
    with translate_os_errors(data_root):
        lock = FileLock(data_root / LOCK_NAME, fcntl.LOCK_SH)
    if not lock.acquire():
        lock.close()
        raise already_served(data_root)
    descriptor = os.dup(lock.file.fileno())  # a descriptor without an owner, which nothing closes
    os.set_inheritable(descriptor, True)


def announce_urls(lock: FileLock, urls: PlatformUrls) -> None:
    """Record in the lock file where a platform is served, for commands in other processes."""
    lock.write(json.dumps(urls._asdict()))


def announced_urls(data_root: Path) -> PlatformUrls | None:
    """Return where the last platform on `data_root` was served; None if none was, or its file cannot be read."""
    try:
        return PlatformUrls(**json.loads((data_root / LOCK_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def already_served(data_root: Path) -> InvalidInput:
    """Return the error that another platform serves `data_root`."""
    reason = f"another 'coin up' or 'coin serve' already serves {data_root}; stop it or choose another folder"
    return InvalidInput([Problem("DATA_ROOT", reason)])
