"""Backups of what the older platform left: an archive for results/, one for tasks/, each read back and compared."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from coin_pipeline.backup.archive import Digests, back_up, list_archives, verify_archive
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.migration.legacy_files import LegacyResult, result_files
from coin_pipeline.migration.step import StepReport
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore

FOLDER = "backups/results"


def newest_archive(root: Path, shelf: str) -> tuple[Path, Digests] | None:
    """Return the newest archive of a shelf and the digests of its files, read from it; None if there is none.

    Raises:
        ObjectCorrupt: it is damaged.
    """
    found = list_archives(root / FOLDER, shelf)
    return (found[0], verify_archive(found[0])) if found else None


def missing_keys(digests: Digests, old: Iterable[LegacyResult]) -> list[str]:
    """Return the keys of old results that an archive has not, or not as they are now."""
    return [each.key for each in old if digests.get(each.key) != each.sha256]


def legacy_results(found: Iterable[LegacyResult], shelf: str) -> list[LegacyResult]:
    """Return those of a shelf that the older platform wrote."""
    return [each for each in found if each.older and each.key.startswith(f"{shelf}/")]


def back_up_results(settings: Settings) -> StepReport:
    """Archive results/ as it is now."""
    if not any(LocalStore(settings.data_root).entries("results")):
        return StepReport("not applicable", "no result is stored")
    return _archived(settings.data_root, "results")


def back_up_tasks(settings: Settings) -> StepReport:
    """Archive tasks/, unless the old ones are in an archive: tasks come and go here while it is served."""
    root = settings.data_root
    old = legacy_results(result_files(root), "tasks")
    if not old:
        return StepReport("not applicable", "the older platform left none with a result")
    for path in list_archives(root / FOLDER, "tasks"):
        if _holds(path, old):
            return StepReport("already", f"{len(old):,} old tasks in {path.relative_to(root)}, read back and compared")
    return _archived(root, "tasks")


def _archived(root: Path, shelf: str) -> StepReport:
    archive = back_up(root / shelf, root / FOLDER, datetime.now(UTC))
    name = archive.path.relative_to(root)
    return StepReport(
        "already" if archive.known else "done", f"{archive.files:,} files in {name}, read back and compared"
    )


def _holds(path: Path, old: Iterable[LegacyResult]) -> bool:
    try:
        return not missing_keys(verify_archive(path), old)
    except ObjectCorrupt:
        return False
