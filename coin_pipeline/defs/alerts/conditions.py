"""Conditions of this machine and of its backups, as the decisions need them."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from coin_pipeline.alerts.decisions_conditions import BackupAges, Conditions, DiskSpace
from coin_pipeline.alerts.model import Event
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.status import read_status
from coin_pipeline.errors import CoinError
from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import FAST_TIMEOUTS

BACKUPS_INTERVAL = timedelta(minutes=10)
"""How often the location of the backups is read: in a bucket, each look is a few requests."""


class ConditionCursor(BaseModel):
    """What the sensor remembers.

    Attributes:
        since: When it first ran, UTC.
        backups_at: When it last read the location of the backups, UTC.
        unreadable_since: Since when the location has been unavailable, UTC; None if it is available.
    """

    since: datetime
    backups_at: datetime | None = None
    unreadable_since: datetime | None = None


def read_disks(settings: Settings) -> list[DiskSpace]:
    """Return the disks of the folders of the settings, each once, named by its first folder."""
    return disks_of([settings.data_root, *_other_folders(settings)])


def disks_of(folders: Sequence[Path]) -> list[DiskSpace]:
    """Return the disk of each folder that can be read, each once, named by its first folder."""
    return [*dict(found for folder in reversed(folders) if (found := _disk(folder))).values()]


def decide_backups(
    settings: Settings, conditions: Conditions, cursor: ConditionCursor, now: datetime
) -> tuple[list[Event], ConditionCursor]:
    """Return the events of backups, and what to remember; nothing is expected with COIN_BACKUP_SCHEDULE=off.

    Args:
        settings: The settings.
        conditions: Decides.
        cursor: What the last tick remembered.
        now: Time of the database, UTC.
    """
    if settings.coin_backup_schedule == "off":
        return conditions.unwatched_backups(), cursor
    is_due = cursor.backups_at is None or not timedelta(0) <= now - cursor.backups_at < BACKUPS_INTERVAL
    if not is_due:
        return [], cursor
    read = cursor.model_copy(update={"backups_at": now})
    try:
        status = read_status(open_location(settings, FAST_TIMEOUTS))  # Dagster ends a tick after a minute
    except CoinError as error:
        since = cursor.unreadable_since or now
        return conditions.unreadable_backups(str(error), since), read.model_copy(update={"unreadable_since": since})
    ages = BackupAges(status.last_good_at, status.last_proven_at, cursor.since)
    return conditions.backups(ages), read.model_copy(update={"unreadable_since": None})


def _disk(folder: Path) -> tuple[int, DiskSpace] | None:
    """Return the disk of a folder with its device, or None if it is absent, or on a mount that does not respond."""
    try:
        usage = shutil.disk_usage(folder)
        return folder.stat().st_dev, DiskSpace(str(folder), usage.free, usage.total)
    except OSError:
        return None  # the other disks, and that backups cannot be read, are still reported


def _other_folders(settings: Settings) -> list[Path]:
    backups = settings.coin_backup_location or ""
    folder = Path(backups).expanduser().absolute() if backups and "://" not in backups else None
    return [path for path in (settings.dagster_home, folder) if path]
