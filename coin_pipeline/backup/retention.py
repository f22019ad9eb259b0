"""Retention of backups: which sets expire, and their removal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import BackupSet
from coin_pipeline.backup.sets import damaged_manifests, list_sets, remove_set, remove_unfinished
from coin_pipeline.backup.status import read_status
from coin_pipeline.errors import ObjectCorrupt


class RetentionPlan(NamedTuple):
    """What a removal removes, or would.

    Attributes:
        expired: Sets that are removed, oldest first.
        kept: Sets that are kept, newest first.
        files: Names of the files that no kept set needs, without those of checksums and manifests.
        size: Their size, bytes.
    """

    expired: tuple[BackupSet, ...]
    kept: tuple[BackupSet, ...]
    files: tuple[str, ...]
    size: int


def plan_retention(sets: Sequence[BackupSet], now: datetime, days: int, proven: str | None = None) -> RetentionPlan:
    """Return which sets expire.

    A set expires that was made more than `days` days before the newest set, so that nothing expires while no backups
    are made, or because the clock is ahead. The newest set whose targets are all complete never expires, nor
    does the one that was proven last: the newest may be damaged.

    Args:
        sets: All sets, newest first.
        now: Current time, UTC.
        days: Days to keep sets.
        proven: Id of the set that the last successful drill restored; None if there was none.
    """
    times = _times(sets, now)
    newest_good = next((backup_set for backup_set in sets if backup_set.is_good), None)
    expired = tuple(
        backup_set
        for backup_set, time in zip(sets, times, strict=True)
        if times[0] - time > timedelta(days=days) and backup_set is not newest_good and backup_set.set_id != proven
    )
    expired_ids = {backup_set.set_id for backup_set in expired}
    kept = tuple(backup_set for backup_set in sets if backup_set.set_id not in expired_ids)
    needed = _sizes(kept)
    unneeded = {name: size for name, size in _sizes(expired).items() if name not in needed}
    return RetentionPlan(expired[::-1], kept, tuple(sorted(unneeded)), sum(unneeded.values()))


def remove_expired(location: Location, now: datetime, days: int, *, dry_run: bool = False) -> RetentionPlan:
    """Remove expired sets, and the files that only they need; also those of backups that were killed.

    Args:
        location: Where the sets are.
        now: Current time, UTC.
        days: Days to keep sets.
        dry_run: Only return what would be removed.

    Raises:
        BackupInProgress: Another process is writing to the location.
        ObjectCorrupt: A manifest is damaged, so it is unknown which files it needs; nothing was removed.
        StorageFailed: The location cannot be read or changed.
    """
    if dry_run:
        return _plan(location, now, days)
    with location.lock() as lock:
        location.remove_incomplete()
        remove_unfinished(location)
        plan = _plan(location, now, days)
        for backup_set in plan.expired:
            lock.require()
            remove_set(location, backup_set)
    return plan


def _plan(location: Location, now: datetime, days: int) -> RetentionPlan:
    if damaged := damaged_manifests(location):
        raise ObjectCorrupt("backups", f"nothing was removed, because files may be needed: {damaged[0]}")
    return plan_retention(list_sets(location), now, days, read_status(location).last_proven_set)


def _times(sets: Sequence[BackupSet], now: datetime) -> list[datetime]:
    """Return when sets were made, newest first, whatever the clock was.

    A set of the future, or from before an earlier set, counts as made when that set was. So one backup that was made
    while the clock was wrong neither stays for ever nor makes the earlier ones look old.
    """
    oldest = min((made.started_at for made in sets if made.started_at <= now), default=now)
    known = (made.started_at if made.started_at <= now else oldest for made in reversed(sets))
    return list(accumulate(known, max))[::-1]


def _sizes(sets: Sequence[BackupSet]) -> dict[str, int]:
    return {file.name: file.size for backup_set in sets for backup in backup_set.targets for file in backup.files}
