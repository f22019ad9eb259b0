"""Restore a set of backups: in place, into a folder that becomes a DATA_ROOT, or into a database.

The objects are restored before the database, which refers to them. A restored database has schedules and alerts
switched off, until `coin database resume`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import SecretStr

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.backup.model import TARGETS, BackupSet, Progress, Target, TargetBackup, no_progress
from coin_pipeline.backup.postgres import count_rows, restore_database
from coin_pipeline.backup.restored_objects import ObjectsRestore
from coin_pipeline.backup.sources import ObjectTarget, open_source
from coin_pipeline.backup.streams import read_file
from coin_pipeline.database import schema
from coin_pipeline.database.daemon_lock import active_daemon
from coin_pipeline.database.feature_flags import is_paused
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.errors import BackupTooNew, InvalidInput, Problem, RestoreRefused
from coin_pipeline.settings import Settings
from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.data_root_lock import lock_data_root
from coin_pipeline.storage.local import LocalStore

_DATABASE_URL = ("postgresql://", "postgresql+psycopg2://")
_SWITCHES = "coin.switch"


class RestoredTarget(NamedTuple):
    """A target that was restored and compared with the backup.

    Attributes:
        target: The target.
        objects: Number of objects, or of tables.
        size: Size of the objects in bytes, or of the dump.
        rows: Number of rows; 0 for objects.
        seconds: Duration, s.
    """

    target: Target
    objects: int
    size: int
    rows: int
    seconds: float


class _Restore(Protocol):
    def prepare(self, *, overwrite: bool) -> None: ...

    def run(self) -> tuple[int, int]: ...


def restore(
    settings: Settings,
    backup_set: BackupSet,
    targets: Sequence[Target] | None = None,
    into: str | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> list[RestoredTarget]:
    """Restore targets of a set.

    Args:
        settings: Where the backups are, and by default where they are restored to.
        backup_set: The set.
        targets: What to restore; by default all, or the database if `into` is one.
        into: A folder, which becomes a DATA_ROOT with an embedded database, or the URL of a database; by default, the
            place that the settings name.
        overwrite: Whether to replace tables of the platform, and objects of other content.
        progress: Called while objects are restored.

    Returns:
        What was restored, in order.

    Raises:
        RestoreRefused: The place already has other data; nothing was changed.
        BackupTooNew: A newer version of the platform has made the set.
        InvalidInput: The set does not contain a target, `into` cannot hold it, or `coin up` serves the place.
        ObjectCorrupt: The backup is damaged.
        RestoreFailed: The server rejected the dump; the database is unchanged.
        RestoreDiffers: The place does not return what was written to it.
        CoinError: The location, the place or the database is not available.
    """
    if backup_set.schema_revision not in (None, *schema.revisions()):
        raise BackupTooNew(backup_set.set_id, backup_set.version, str(backup_set.schema_revision), schema.head())
    backups = [_require(backup_set, target) for target in _ordered(targets, into)]
    location, key = open_location(settings), Key.from_settings(settings)
    with _destination(settings, into) as place:
        restores = [_open(location, key, backup, place, progress) for backup in backups]
        for prepared in restores:
            prepared.prepare(overwrite=overwrite)
        return [_run(backup, opened) for backup, opened in zip(backups, restores, strict=True)]


def _ordered(targets: Sequence[Target] | None, into: str | None) -> list[Target]:
    """Return the targets, the database last."""
    is_url = into is not None and into.startswith(_DATABASE_URL)
    if into is not None and "://" in into and not is_url:  # without the value: it may have a password
        raise InvalidInput([Problem("into", "is neither a folder nor the URL of a PostgreSQL database")])
    chosen = targets or (("postgresql",) if is_url else TARGETS)
    if is_url and set(chosen) != {"postgresql"}:
        raise InvalidInput([Problem("into", "is a database, which holds the target postgresql only; name a folder")])
    return [target for target in reversed(TARGETS) if target in chosen]


def _require(backup_set: BackupSet, target: Target) -> TargetBackup:
    backup = backup_set.target(target)
    if backup is None:
        reason = f"backup {backup_set.set_id} does not contain {target}; choose another backup or other targets"
        raise InvalidInput([Problem("target", reason)])
    return backup


class _Place(NamedTuple):
    """Where a set is restored to: the database and the folder of settings, and a bucket if they name one."""

    settings: Settings

    def store(self, target: ObjectTarget) -> ObjectStore:
        """Return where the objects of a target go: into a folder as they are, not into an archive."""
        in_bucket = self.settings.coin_candles == "s3" if target == "candles" else self.settings.aws_bucket_name
        return open_source(self.settings, target) if in_bucket else LocalStore(self.settings.data_root)


@contextmanager
def _destination(settings: Settings, into: str | None) -> Iterator[_Place]:
    """Yield the place; a folder is locked, so that no `coin up` starts on it."""
    if into is not None and into.startswith(_DATABASE_URL):
        yield _Place(settings.model_copy(update={"database_url": SecretStr(into)}))
        return
    if into is not None:
        settings = _folder_settings(settings, _folder(settings, into))
    with translate_os_errors(settings.data_root):
        make_folders(settings.data_root)
    with closing(lock_data_root(settings.data_root)):
        try:
            yield _Place(settings)
        finally:
            if into is not None:
                release_database(settings)


def _folder(settings: Settings, into: str) -> Path:
    """Return the folder to restore into.

    Raises:
        InvalidInput: It is among the backups or the data, where the next backup would take it for data.
    """
    folder = Path(into).expanduser().resolve()
    root = settings.data_root.resolve()
    if not into.strip():
        raise InvalidInput([Problem("into", "is empty; name a folder")])
    # A folder whose name begins with a dot is in no backup.
    is_data = root in folder.parents and not folder.relative_to(root).parts[0].startswith(".")
    location = open_location(settings)
    is_backup = isinstance(location, FolderLocation) and folder.is_relative_to(location.root.resolve())
    if is_data or is_backup:
        reason = f"is among the data or the backups ({folder}); name a folder elsewhere"
        raise InvalidInput([Problem("into", reason)])
    return folder


def _folder_settings(settings: Settings, folder: Path) -> Settings:
    """Return settings that name nothing but a folder."""
    elsewhere = ("database_url", "dagster_home", "aws_bucket_name", "coin_archive_bucket")
    return settings.model_copy(update={"data_root": folder, "coin_candles": "local", **dict.fromkeys(elsewhere)})


def _open(location: Location, key: Key | None, backup: TargetBackup, place: _Place, progress: Progress) -> _Restore:
    if backup.target == "postgresql":
        return _DatabaseRestore(location, key, backup, lambda: database_url(place.settings))
    return ObjectsRestore(location, key, backup, place.store(backup.target), progress)


def _run(backup: TargetBackup, opened: _Restore) -> RestoredTarget:
    started = time.monotonic()
    objects, size = opened.run()
    seconds = round(time.monotonic() - started, 3)
    return RestoredTarget(backup.target, objects, size, sum(backup.rows.values()), seconds)


class _DatabaseRestore:
    """The restore of the database, and the upgrade of its tables if the set is of an earlier version."""

    def __init__(self, location: Location, key: Key | None, backup: TargetBackup, url: Callable[[], str]) -> None:
        self._location, self._key, self._backup, self._open_url = location, key, backup, url
        self._url, self._overwrite = "", False

    def prepare(self, *, overwrite: bool) -> None:
        """Compare what is there with the set.

        Raises:
            RestoreRefused: The database has tables of the platform with other rows.
            InvalidInput: A daemon is active on it.
            DatabaseUnavailable: It cannot be reached.
        """
        self._url, self._overwrite = self._open_url(), overwrite
        with closing(Session(self._url)) as session:
            if daemon := session.run(active_daemon):  # of a `coin up` on another folder or machine
                reason = f"{daemon} is active on the database; stop 'coin up' there, or restore into another one"
                raise InvalidInput([Problem("DATABASE_URL", reason)])
        tables = count_rows(self._url)
        if tables and not overwrite and not self._is_restored(tables):
            raise RestoreRefused("the database", f"already has {len(tables)} tables of the platform")

    def run(self) -> tuple[int, int]:
        """Restore the dump; return the number of its tables, and its size in bytes."""
        (dump,) = self._backup.archives
        if self._overwrite or not self._is_restored(count_rows(self._url)):
            with read_file(self._location, dump, self._key) as content:
                restore_database(content, self._url, self._backup.rows, overwrite=self._overwrite)
        schema.upgrade(self._url)
        return len(self._backup.rows), self._backup.size

    def _is_restored(self, rows: Mapping[str, int]) -> bool:
        """Return whether an earlier attempt restored the dump: the tables have its rows, and nothing has used them."""
        if any(rows.get(table) != count for table, count in self._backup.rows.items() if table != _SWITCHES):
            return False
        with closing(Session(self._url)) as session:
            return is_paused(session)
