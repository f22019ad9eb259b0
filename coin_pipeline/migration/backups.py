"""Backups of the files of the legacy platform: sets with results/ and with tasks/, each verified."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.backup.model import BackupSet
from coin_pipeline.backup.objects import read_list
from coin_pipeline.backup.sets import list_sets
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.errors import BackupFailed, ObjectCorrupt
from coin_pipeline.migration.legacy_files import LegacyResult, result_files
from coin_pipeline.migration.step import StepReport
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import sha256_hex
from coin_pipeline.storage.local import LocalStore

FOLDER = "backups/results"
Area = Literal["results", "tasks"]


class VerifiedBackup(NamedTuple):
    """The backup of one area in a set, of which every object was verified.

    Attributes:
        set_id: The set.
        size: Size of its files, bytes.
        digests: SHA-256, hex, of each object by its key.
    """

    set_id: str
    size: int
    digests: Mapping[str, str]

    def __str__(self) -> str:
        return f"{pluralize(len(self.digests), 'file')} in backup {self.set_id}, verified"

    def missing(self, results: Iterable[LegacyResult]) -> list[str]:
        """Return the keys of results that it lacks, or that have changed since."""
        return [result.key for result in results if self.digests.get(result.key) != result.sha256]


def newest_backup(settings: Settings, area: Area) -> VerifiedBackup | None:
    """Return the newest backup of an area; None without one.

    Raises:
        ObjectCorrupt: It is damaged.
        InvalidBackupKey: It is encrypted for another key.
        StorageFailed: The location of backups cannot be read.
    """
    location = open_location(settings)
    newest = next((found for found in list_sets(location) if found.target(area)), None)
    return _verify(settings, location, newest, area) if newest else None


def legacy_results(results: Iterable[LegacyResult], area: str) -> list[LegacyResult]:
    """Return the results in `area` that the legacy platform wrote."""
    return [result for result in results if result.is_legacy and result.key.startswith(f"{area}/")]


def back_up_results(settings: Settings) -> StepReport:
    """Back up results/, unless the newest backup has its current content."""
    store = LocalStore(settings.data_root)
    keys = list(store.keys("results"))
    if not keys:
        return StepReport("not applicable", "no results are stored")
    newest = _newest_intact(settings, "results")
    if newest and all(newest.digests.get(key) == sha256_hex((store.root / key).read_bytes()) for key in keys):
        return StepReport("already", str(newest))
    return _back_up(settings, "results")


def back_up_tasks(settings: Settings) -> StepReport:
    """Back up tasks/, unless the newest backup has the legacy tasks; new tasks come and go and need none here."""
    legacy = legacy_results(result_files(settings.data_root), "tasks")
    if not legacy:
        return StepReport("not applicable", "the legacy platform left no task with a result")
    newest = _newest_intact(settings, "tasks")
    if newest and not newest.missing(legacy):
        return StepReport("already", f"{pluralize(len(legacy), 'legacy task')} in backup {newest.set_id}, verified")
    return _back_up(settings, "tasks")


def _newest_intact(settings: Settings, area: Area) -> VerifiedBackup | None:
    try:
        return newest_backup(settings, area)
    except ObjectCorrupt:  # another one is made
        return None


def _back_up(settings: Settings, area: Area) -> StepReport:
    local = settings.model_copy(update={"aws_bucket_name": None})  # the legacy platform stored nothing in the bucket
    made = run_backup(local, (area,))
    (backup,) = made.targets
    if reason := backup.error or "; ".join(backup.damaged):
        raise BackupFailed("backup", {area: reason})
    return StepReport("done", str(_verify(settings, open_location(settings), made, area)))


def _verify(settings: Settings, location: Location, found: BackupSet, area: Area) -> VerifiedBackup:
    key, backup = Key.from_settings(settings), found.target(area)
    if backup is None or backup.object_list is None:
        raise ObjectCorrupt(f"sets/{found.set_id}.json", f"it lists no objects of {area}")
    (verified,) = verify_set(location, key, found.model_copy(update={"targets": (backup,)}), deep=True)
    if verified.error:
        raise ObjectCorrupt(f"backup {found.set_id}", verified.error)
    digests = {item.key: item.sha256 for item in read_list(location, backup.object_list, key)}
    return VerifiedBackup(found.set_id, sum(file.size for file in backup.files), digests)
