"""Restore drill: restore the newest good set into a scratch folder, compare everything, and read a result from it."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import BackupSet, DrillReport, Progress, no_progress
from coin_pipeline.backup.restore import restore
from coin_pipeline.backup.sets import LATEST, newest_good
from coin_pipeline.backup.status import write_report
from coin_pipeline.errors import BackupNotFound, CoinError, RestoreRefused, StorageFull
from coin_pipeline.results.store import load_result, stored_documents
from coin_pipeline.settings import Settings
from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.file_lock import FileLock
from coin_pipeline.storage.local import LocalStore

_SCRATCH, _LOCK = ".drill", ".drill.lock"
"""Under DATA_ROOT; names that begin with a dot are in no backup."""
_UNPACKED_DUMP = 10
"""Space of a restored database with its log, as a multiple of its compressed dump."""


def run_drill(settings: Settings, scratch: Path | None = None, progress: Progress = no_progress) -> DrillReport:
    """Prove the newest good set, and record the result at the location of the backups.

    Args:
        settings: Where the backups are.
        scratch: Folder that gets the copy, which is removed; by default, one in DATA_ROOT.
        progress: Called while objects are restored.

    Returns:
        The report; it has an error if the set is not proven.

    Raises:
        StorageFailed: The location cannot be read, or the report not written.
        RestoreRefused: Another drill is running.
    """
    started = datetime.now(UTC)
    location = open_location(settings)
    with _exclusive(settings.data_root):
        backup_set = newest_good(location)
        try:
            if backup_set is None:
                raise BackupNotFound(LATEST, location.uri())
            with _empty_folder(scratch or settings.data_root / _SCRATCH) as folder:
                outcome = _prove(settings, backup_set, folder, progress)
        except CoinError as error:
            outcome = _Outcome(error=str(error))
        set_id = backup_set.set_id if backup_set else ""
        report = DrillReport(set_id=set_id, started_at=started, finished_at=datetime.now(UTC), **outcome._asdict())
        write_report(location, report)
    return report


class _Outcome(NamedTuple):
    """Fields of a report."""

    error: str | None = None
    objects: int = 0
    rows: int = 0
    size: int = 0
    served: str | None = None


def _prove(settings: Settings, backup_set: BackupSet, folder: Path, progress: Progress) -> _Outcome:
    _require_space(settings, backup_set, folder)
    restored = restore(settings, backup_set, into=str(folder), progress=progress)
    objects = [target for target in restored if target.target != "postgresql"]
    return _Outcome(
        objects=sum(target.objects for target in objects),
        rows=sum(target.rows for target in restored),
        size=sum(target.size for target in objects),
        served=_serve_result(LocalStore(folder)),
    )


def _require_space(settings: Settings, backup_set: BackupSet, folder: Path) -> None:
    """Raise StorageFull unless the copy fits and leaves COIN_ALERT_FREE_MIB free: it may be the platform's disk."""
    growth = {"postgresql": _UNPACKED_DUMP}
    needed = sum(backup.size * growth.get(backup.target, 1) for backup in backup_set.targets) >> 20
    with translate_os_errors(folder):
        free = shutil.disk_usage(folder).free >> 20
    if free < needed + settings.coin_alert_free_mib:
        reason = f"the drill needs {needed:,} MiB and leaves {settings.coin_alert_free_mib:,} MiB (COIN_ALERT_FREE_MIB)"
        raise StorageFull(folder, f"{reason}, and {free:,} MiB are free")


def _serve_result(store: ObjectStore) -> str | None:
    """Read the oldest result that can be read, as the API does; return its run, or None if there is no result.

    Raises:
        ObjectCorrupt: None can be read.
    """
    failure: CoinError | None = None
    for document in sorted(stored_documents(store), key=lambda document: document.modified):
        try:
            load_result(store, document.run_id)
        except CoinError as error:  # it may have been damaged before the backup
            failure = error
        else:
            return document.run_id
    if failure:
        raise failure
    return None


@contextmanager
def _exclusive(data_root: Path) -> Iterator[None]:
    with translate_os_errors(data_root), closing(FileLock(data_root / _LOCK)) as lock:
        if not lock.acquire():
            raise RestoreRefused(str(data_root), "is used by another drill")
        yield


@contextmanager
def _empty_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder, without what a drill left that was killed; removed on exit."""
    with translate_os_errors(folder):
        _remove(folder)
        make_folders(folder)
    try:
        yield folder
    finally:
        with translate_os_errors(folder):
            _remove(folder)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
