"""Checks of what the platform stores: results, candles, backups and proven restores."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from coin_pipeline.alerts.decisions_conditions import MAX_AGE
from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.backup.status import read_status
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.doctor.machine import TIMEOUTS
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.storage.probe import probe_store

COLLECTED_WITHIN = timedelta(hours=26)
"""Age of the newest candle above which the daily collection has not worked."""
_TIME = "%Y-%m-%d %H:%M"


def object_store(at: Installation) -> Finding:
    """Try each operation of the store on a temporary object."""
    if not (at.settings.aws_bucket_name or at.settings.data_root.exists()):
        return at.warning(texts.STORE_UNTESTED, texts.DATA_ROOT_MISSING_ADVICE, path=at.settings.data_root)
    store = open_store(at.settings, TIMEOUTS)
    uri = store.uri("results")
    for step in probe_store(store):
        if step.status == "fail":
            return at.failed(texts.STORE_FAILED, uri=uri, step=step.check, reason=step.message)
    return at.ok(texts.STORE_OK, uri=uri)


def candles(at: Installation) -> Finding:
    """Check that candles are stored and readable, and recent if they are collected daily."""
    series, damaged = open_catalog(at.settings, TIMEOUTS).inventory()
    if damaged:
        return at.failed(texts.CANDLES_DAMAGED, count=len(damaged), first=damaged[0])
    if not series:
        return at.warning(texts.CANDLES_NONE, texts.CANDLES_NONE_ADVICE)
    newest = max(stored.last for stored in series)
    if at.settings.enable_scheduler and datetime.now(UTC) - newest > COLLECTED_WITHIN:
        return at.warning(texts.CANDLES_STALE, texts.CANDLES_STALE_ADVICE, newest=f"{newest:{_TIME}}")
    symbols = len({stored.symbol for stored in series})
    return at.ok(texts.CANDLES_OK, series=len(series), symbols=symbols, newest=f"{newest:{_TIME}}")


def backup(at: Installation) -> Finding:
    """Check the age of the last complete backup, and that it is on another disk."""
    location = open_location(at.settings, TIMEOUTS)
    status, now = read_status(location), datetime.now(UTC)
    scheduled = at.settings.coin_backup_schedule == "on"
    if not scheduled:
        return at.warning(texts.BACKUP_OFF, texts.BACKUP_OFF_ADVICE)
    if status.last_good_at is None and status.last_failure is None:
        return at.warning(texts.BACKUP_NONE, check_texts.BACKUP_ADVICE, location=location.uri())
    if status.last_good_at is None or (status.last_failure and now - status.last_good_at <= MAX_AGE):
        return at.failed(texts.BACKUP_NEWEST_FAILED, reason=status.last_failure)
    age = now - status.last_good_at
    values = {"at": f"{status.last_good_at:{_TIME}}", "hours": age / timedelta(hours=1), "location": location.uri()}
    if age > MAX_AGE:
        return at.failed(texts.BACKUP_OLD, **values)
    if _is_with_data(location, at.settings.data_root):
        return at.warning(texts.BACKUP_SAME_DISK, texts.BACKUP_SAME_DISK_ADVICE, **values)
    return at.ok(texts.BACKUP_OK, **values)


def restore_drill(at: Installation) -> Finding:
    """Check when a restore last proved a backup."""
    status, now = read_status(open_location(at.settings, TIMEOUTS)), datetime.now(UTC)
    if status.last_drill_failure:
        return at.failed(texts.DRILL_FAILED, reason=status.last_drill_failure)
    if status.last_proven_at is None:
        return at.warning(texts.DRILL_NONE, check_texts.DRILL_ADVICE)
    age = now - status.last_proven_at
    values = {"at": f"{status.last_proven_at:{_TIME}}", "hours": age / timedelta(hours=1)}
    expected = at.settings.coin_backup_schedule == "on"
    return at.failed(texts.DRILL_OLD, **values) if expected and age > MAX_AGE else at.ok(texts.DRILL_OK, **values)


def _is_with_data(location: Location, data_root: Path) -> bool:
    """Return whether a location is a folder on the disk of the data."""
    folder = Path(location.uri())
    return location.free_bytes() is not None and folder.stat().st_dev == data_root.stat().st_dev
