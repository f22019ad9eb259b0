"""Conditions of this machine and of its backups, as the decisions need them."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from coin_pipeline.alerts.decisions_conditions import Conditions, DiskSpace
from coin_pipeline.alerts.model import Event, Incident
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.settings import Settings


class ConditionCursor(BaseModel):
    """What the sensor remembers.

    Attributes:
        since: When it first ran, UTC.
        unreadable_since: Since when the location of the backups has been unavailable, UTC; None if it is available.
    """

    since: datetime
    unreadable_since: datetime | None = None


def decide_conditions(
    settings: Settings, incidents: Mapping[str, Incident], cursor: ConditionCursor, now: datetime, writer: Writer
) -> tuple[list[Event], ConditionCursor]:
    """Return the events of all conditions, and what to remember.

    Args:
        settings: The settings.
        incidents: Open incidents by key.
        cursor: What the last tick remembered.
        now: Time of the database, UTC.
        writer: Writes the texts.
    """
    conditions = Conditions(incidents, now, writer)
    return conditions.disks(read_disks(_folders(settings)), settings.coin_alert_free_mib), cursor


def read_disks(folders: Sequence[Path]) -> list[DiskSpace]:
    """Return the disk of each folder that exists, each disk once, named by its first folder."""
    by_device = {folder.stat().st_dev: folder for folder in reversed(folders) if folder.is_dir()}
    return [_disk(folder) for folder in by_device.values()]


def _disk(folder: Path) -> DiskSpace:
    usage = shutil.disk_usage(folder)
    return DiskSpace(str(folder), usage.free, usage.total)


def _folders(settings: Settings) -> list[Path]:
    return [settings.data_root, *([settings.dagster_home] if settings.dagster_home else [])]
