"""Making a set of backups: one target after the other, each reported on its own, and the manifest last."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from typing import Self

import coin_pipeline
from coin_pipeline.backup import sets
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import HeldLock, open_location
from coin_pipeline.backup.model import TARGETS, BackupSet, Progress, Target, TargetBackup, no_progress
from coin_pipeline.backup.packing import NOTHING, Packing, Previous, read_previous
from coin_pipeline.backup.postgres import dump_database
from coin_pipeline.backup.sources import ObjectTarget, open_source, source_entries
from coin_pipeline.backup.streams import write_file
from coin_pipeline.database import schema
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import CoinError, ObjectCorrupt, ObjectNotFound
from coin_pipeline.settings import Settings

REDIS_NOTE = b"""Redis is no longer used, so there is nothing of it to back up.
Queued and running tasks are in PostgreSQL (folder postgresql), their results in the folder tasks.
"""
_REDIS = "redis/README.txt"
_log = logging.getLogger(__name__)


class BackupContext:
    """A set that is being made; the location is locked until the context is closed.

    Attributes:
        settings: The settings.
        set_id: Id of the set.
        location: Where it is written.
        key: Encrypts it; None for no encryption.
        earlier: The earlier sets, newest first.
        progress: Called while objects are backed up.
        schema_revision: Revision of the tables of the platform, once they have been dumped.
    """

    def __init__(self, settings: Settings, now: datetime, progress: Progress) -> None:
        self.settings, self.started_at, self.progress = settings, now, progress
        self.schema_revision: str | None = None
        self.key, self.location = Key.from_settings(settings), open_location(settings)
        with ExitStack() as stack:
            self.lock: HeldLock = stack.enter_context(self.location.lock())
            self.location.remove_incomplete()
            sets.remove_unfinished(self.location)
            self.earlier = sets.list_sets(self.location)
            self.set_id = sets.new_set_id(self.location, now)
            sets.begin_unfinished(self.location, self.set_id)
            self._stack, self._is_open = stack.pop_all(), True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def recipient(self) -> str | None:
        """The age recipient that the set is encrypted for, or None."""
        return self.key.recipient if self.key else None

    def close(self) -> None:
        """Remove the set unless it was finished, and release the lock; closing it again has no effect."""
        if self._is_open:
            self._is_open = False
            with self._stack, suppress(CoinError):  # otherwise the next backup removes it
                self.lock.require()
                sets.remove_unfinished(self.location)


def run_backup(settings: Settings, targets: Sequence[Target] = TARGETS, progress: Progress = no_progress) -> BackupSet:
    """Back up the targets into a new set.

    Args:
        settings: The settings.
        targets: What to back up, in this order: the database before the files that it refers to.
        progress: Called while objects are backed up.

    Returns:
        The set; a target that failed has an error.

    Raises:
        BackupInProgress: Another process is backing up to the location.
        StorageFailed: The location cannot be written to; no set was made.
        InvalidSettings: The settings of the location or the key are malformed.
    """
    with begin_set(settings, datetime.now(UTC), progress) as context:
        return finish_set(context, [back_up_target(target, context) for target in targets])


def begin_set(settings: Settings, now: datetime, progress: Progress = no_progress) -> BackupContext:
    """Begin a set: lock the location, and remove what backups left that were killed.

    Args:
        settings: The settings.
        now: Current time, UTC.
        progress: Called while objects are backed up.

    Returns:
        The context, which the caller closes, also after an error.

    Raises:
        BackupInProgress: Another process is backing up to the location.
        StorageFailed: The location cannot be written to.
        InvalidSettings: The settings of the location or the key are malformed.
    """
    return BackupContext(settings, now, progress)


def back_up_target(target: Target, context: BackupContext) -> TargetBackup:
    """Back up one target; if that fails, its error is part of the result, and it leaves no files."""
    started = time.monotonic()
    context.progress(target, 0, 0)
    try:
        backup = _dump(context) if target == "postgresql" else _pack(target, context)
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with a target, the others are backed up
        if not isinstance(error, CoinError):
            _log.exception("backup of %s", target)
        backup = TargetBackup(target=target, error=str(error) or type(error).__name__)
        _discard(target, context)
    return backup.model_copy(update={"seconds": round(time.monotonic() - started, 3)})


def finish_set(context: BackupContext, backups: Sequence[TargetBackup]) -> BackupSet:
    """Write the manifest of a set, which makes it visible, and close the context.

    Raises:
        BackupInProgress: Another process took the lock over, because this one did not respond for too long.
        StorageFailed: The manifest cannot be written.
    """
    finished = BackupSet(
        set_id=context.set_id,
        started_at=context.started_at,
        finished_at=datetime.now(UTC),
        version=coin_pipeline.__version__,
        schema_revision=context.schema_revision,
        recipient=context.recipient,
        targets=tuple(backups),
    )
    if not context.location.exists(_REDIS):
        with context.location.write(_REDIS) as file:
            file.write(REDIS_NOTE)
    context.lock.require()
    sets.write_manifest(context.location, finished)
    context.close()
    return finished


def _dump(context: BackupContext) -> TargetBackup:
    url = database_url(context.settings)
    with write_file(context.location, f"postgresql/backup_{context.set_id}.dump", context.key) as written:
        with closing(Session(url)) as session:
            context.schema_revision = schema.current(session)
        rows = dump_database(url, written.sink)
    size = written.file.size
    return TargetBackup(
        target="postgresql",
        files=(written.file,),
        objects=len(rows),
        size=size,
        new_objects=len(rows),
        new_size=size,
        rows=rows,
    )


def _pack(target: ObjectTarget, context: BackupContext) -> TargetBackup:
    settings = context.settings
    store = open_source(settings, target)
    packing = Packing(target, context.location, context.key, store, lambda: source_entries(settings, target))
    return packing.run(context.set_id, _read_previous(target, context), context.progress)


def _read_previous(target: ObjectTarget, context: BackupContext) -> Previous:
    """Return what the newest earlier set has of a target that the same key decrypts and whose list is intact."""
    for earlier in context.earlier:
        backup = earlier.target(target)
        if backup and earlier.recipient == context.recipient:
            with suppress(ObjectCorrupt, ObjectNotFound):
                return read_previous(context.location, context.key, backup)
    return NOTHING


def _discard(target: Target, context: BackupContext) -> None:
    """Remove the files of a target that failed, such as an archive whose list could not be written."""
    with suppress(CoinError):  # otherwise they are removed with the set
        for name in [name for name in context.location.names(target) if context.set_id in name]:
            context.location.delete(name)
