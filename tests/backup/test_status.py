"""State of the backups at a location."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.model import DRILLS, SET_ID, TARGETS, BackupSet, DrillReport, TargetBackup
from coin_pipeline.backup.sets import write_manifest
from coin_pipeline.backup.status import MAX_REPORTS, drill_reports, read_status, write_report

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def location(tmp_path: Path) -> FolderLocation:
    """An empty folder."""
    return FolderLocation(tmp_path)


def backup(day: int, errors: dict[str, str] | None = None, targets: tuple[str, ...] = TARGETS) -> BackupSet:
    """Return a set of a day."""
    start = START + timedelta(days=day)
    backups = tuple(TargetBackup(target=target, error=(errors or {}).get(target)) for target in targets)
    return BackupSet(
        set_id=start.strftime(SET_ID),
        started_at=start,
        finished_at=start + timedelta(minutes=5),
        version="1.0",
        schema_revision=None,
        recipient=None,
        targets=backups,
    )


def drill(day: int, error: str | None = None) -> DrillReport:
    """Return the report of a day's drill."""
    start = START + timedelta(days=day, hours=1)
    return DrillReport(set_id=f"set{day}", started_at=start, finished_at=start + timedelta(minutes=2), error=error)


def test_a_clock_that_was_ahead_hides_no_missing_backup(location: FolderLocation) -> None:
    """A set and a drill of a year that has not come yet are not the last good ones."""
    for day in (0, 365_000):
        write_manifest(location, backup(day))
        write_report(location, drill(day))
    status = read_status(location)
    assert (status.last_good_at, status.last_proven_set) == (backup(0).finished_at, "set0")


def test_an_empty_location_has_no_state(location: FolderLocation) -> None:
    """Nothing is an error there."""
    assert read_status(location) == (None,) * 7


def test_a_failed_backup_does_not_hide_the_good_one_before_it(location: FolderLocation) -> None:
    """Its age is that of the good one."""
    good, failed = backup(0), backup(1, {"candles": "the disk is full"})
    for found in (good, failed):
        write_manifest(location, found)
    status = read_status(location)
    assert (status.last_backup, status.last_good_at) == (failed, good.finished_at)
    assert status.last_failure == "candles: the disk is full"


def test_a_backup_of_some_targets_is_not_good(location: FolderLocation) -> None:
    """The reason is what it contains."""
    write_manifest(location, backup(0, targets=("results",)))
    assert read_status(location).last_failure == "it contains only results"
    assert read_status(location).last_good_at is None


def test_a_failed_drill_does_not_hide_the_last_proof(location: FolderLocation) -> None:
    """Both are reported."""
    for report in (drill(0), drill(1, "a row is missing")):
        write_report(location, report)
    status = read_status(location)
    assert (status.last_proven_at, status.last_proven_set) == (drill(0).finished_at, "set0")
    assert (status.last_drill_at, status.last_drill_failure) == (drill(1).finished_at, "a row is missing")


def test_a_successful_drill_ends_a_failure(location: FolderLocation) -> None:
    """The newest report counts."""
    for report in (drill(0, "a row is missing"), drill(1)):
        write_report(location, report)
    assert read_status(location).last_drill_failure is None


def test_a_damaged_report_proves_nothing(location: FolderLocation) -> None:
    """The report before it counts."""
    write_report(location, drill(0))
    with location.write(f"{DRILLS}/20260105_000000.json") as file:
        file.write(b"{}")
    assert read_status(location).last_proven_set == "set0"


def test_old_reports_are_removed(location: FolderLocation) -> None:
    """One is written every night."""
    for day in range(MAX_REPORTS + 2):
        write_report(location, drill(day))
    assert [report.set_id for report in drill_reports(location)] == [
        f"set{day}" for day in range(MAX_REPORTS + 1, 1, -1)
    ]


def test_the_report_of_a_drill_is_the_newest_whatever_the_clock_was(location: FolderLocation) -> None:
    """One that was made while the clock was ahead does not hide later failures."""
    for report in (drill(4000), drill(0), drill(1, "a row is missing")):
        write_report(location, report)
    assert read_status(location).last_drill_failure == "a row is missing"
    assert read_status(location).last_proven_set == "set0"
