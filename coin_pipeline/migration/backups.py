"""Backups of the files of the legacy platform: one archive of results/ and one of tasks/, each verified."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backup.archive import Digests, back_up, list_archives, verify_archive
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.migration.legacy_files import LegacyResult, result_files
from coin_pipeline.migration.step import StepReport
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore

FOLDER = "backups/results"


def newest_archive(root: Path, area: str) -> tuple[Path, Digests] | None:
    """Return the newest archive of `area` (results or tasks) and the digests of its files; None without one.

    Raises:
        ObjectCorrupt: The archive is damaged.
    """
    archives = list_archives(root / FOLDER, area)
    return (archives[0], verify_archive(archives[0])) if archives else None


def missing_keys(digests: Digests, results: Iterable[LegacyResult]) -> list[str]:
    """Return the keys of results that are missing from an archive or have changed since."""
    return [result.key for result in results if digests.get(result.key) != result.sha256]


def legacy_results(results: Iterable[LegacyResult], area: str) -> list[LegacyResult]:
    """Return the results in `area` that the legacy platform wrote."""
    return [result for result in results if result.is_legacy and result.key.startswith(f"{area}/")]


def back_up_results(settings: Settings) -> StepReport:
    """Archive the current content of results/."""
    if not any(LocalStore(settings.data_root).entries("results")):
        return StepReport("not applicable", "no results are stored")
    return _archive(settings.data_root, "results")


def back_up_tasks(settings: Settings) -> StepReport:
    """Archive tasks/, unless an archive already has the legacy tasks; new tasks come and go and need no backup."""
    root = settings.data_root
    legacy = legacy_results(result_files(root), "tasks")
    if not legacy:
        return StepReport("not applicable", "the legacy platform left no task with a result")
    for path in list_archives(root / FOLDER, "tasks"):
        if _contains_all(path, legacy):
            return StepReport(
                "already", f"{pluralize(len(legacy), 'legacy task')} in {path.relative_to(root)}, verified"
            )
    return _archive(root, "tasks")


def _archive(root: Path, area: str) -> StepReport:
    archive = back_up(root / area, root / FOLDER, datetime.now(UTC))
    name = archive.path.relative_to(root)
    return StepReport(
        "already" if archive.existed else "done", f"{pluralize(archive.files, 'file')} in {name}, verified"
    )


def _contains_all(path: Path, results: Iterable[LegacyResult]) -> bool:
    try:
        return not missing_keys(verify_archive(path), results)
    except ObjectCorrupt:
        return False
