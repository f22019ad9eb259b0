"""The lock that keeps two `coin up` from serving one DATA_ROOT."""

from pathlib import Path

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.file_lock import FileLock


def lock_data_root(data_root: Path) -> FileLock:
    """Lock `data_root` for one `coin up`, until the returned lock is closed or this process ends.

    Raises:
        InvalidInput: Another `coin up` serves it; two daemons would execute everything twice.
        StorageFailed: The folder cannot be created or written.
    """
    with translate_os_errors(data_root):
        lock = FileLock(data_root / "up.lock")
    if not lock.acquire():
        lock.close()
        raise already_served(data_root)
    return lock


def already_served(data_root: Path) -> InvalidInput:
    """Return the error that another `coin up` serves `data_root`."""
    reason = f"another 'coin up' already serves {data_root}; stop it or choose another folder"
    return InvalidInput([Problem("DATA_ROOT", reason)])
