"""Statistics of the backups at a location."""

from collections.abc import Iterable
from typing import NamedTuple

from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import TARGETS, BackupSet, Target
from coin_pipeline.backup.sets import damaged_manifests, list_sets


class TargetStats(NamedTuple):
    """The files of a target in all sets.

    Attributes:
        target: The target.
        sets: Number of sets that contain it, complete.
        files: Number of its files; one that several sets need counts once.
        size: Their size, bytes.
    """

    target: Target
    sets: int
    files: int
    size: int


class BackupStats(NamedTuple):
    """The backups at a location.

    Attributes:
        location: Path or URL of the location.
        sets: Number of sets.
        good_sets: Number of sets whose targets are all complete.
        oldest: Id of the oldest set; None without sets.
        newest: Id of the newest set.
        damaged: Why manifests cannot be read; their sets are not counted.
        targets: The files of each target.
        free: Free space in bytes; None if it is unlimited.
    """

    location: str
    sets: int
    good_sets: int
    oldest: str | None
    newest: str | None
    damaged: tuple[str, ...]
    targets: tuple[TargetStats, ...]
    free: int | None

    @property
    def size(self) -> int:
        """Size of all files, bytes."""
        return sum(target.size for target in self.targets)


def read_stats(location: Location) -> BackupStats:
    """Return the statistics of a location; one without backups has zero sets.

    Raises:
        StorageFailed: The location cannot be read.
    """
    sets = list_sets(location)
    return BackupStats(
        location=location.uri(),
        sets=len(sets),
        good_sets=sum(backup_set.is_good for backup_set in sets),
        oldest=sets[-1].set_id if sets else None,
        newest=sets[0].set_id if sets else None,
        damaged=tuple(damaged_manifests(location)),
        targets=tuple(_target_stats(target, sets) for target in TARGETS),
        free=location.free_bytes(),
    )


def _target_stats(target: Target, sets: Iterable[BackupSet]) -> TargetStats:
    backups = [backup for backup_set in sets if (backup := backup_set.target(target))]
    sizes = {file.name: file.size for backup in backups for file in backup.files}
    return TargetStats(target, len(backups), len(sizes), sum(sizes.values()))
