"""State of the backups at a location: the newest one, the newest good one, and the newest that a restore has proven."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import DRILLS, SET_ID, BackupSet, DrillReport
from coin_pipeline.backup.sets import list_sets, parse_id
from coin_pipeline.errors import ObjectNotFound
from coin_pipeline.storage.atomic import translate_os_errors

MAX_REPORTS = 100
"""Reports of drills that are kept."""
AHEAD = timedelta(days=1)
"""Sets and drills from later than that were made with a wrong clock: for months, they would count as the newest."""
_REPORT = ".json"


class BackupStatus(NamedTuple):
    """State of the backups.

    Attributes:
        last_backup: The newest set, good or not; None if there is none.
        last_good_at: When the newest set with all targets was finished.
        last_failure: Why the newest set is not good; None if it is.
        last_proven_at: When a drill last proved a set by restoring it.
        last_proven_set: That set.
        last_drill_at: When the newest drill ended.
        last_drill_failure: Why the newest drill failed; None if it did not.
    """

    last_backup: BackupSet | None
    last_good_at: datetime | None
    last_failure: str | None
    last_proven_at: datetime | None
    last_proven_set: str | None
    last_drill_at: datetime | None
    last_drill_failure: str | None


def read_status(location: Location) -> BackupStatus:
    """Return the state of the backups at a location; an empty location has none.

    Raises:
        StorageFailed: The location cannot be read.
    """
    sets = list_sets(location)
    last = next(iter(sets), None)
    latest = datetime.now(UTC) + AHEAD
    good = next((found for found in sets if found.is_good and found.finished_at <= latest), None)
    drill = next(drill_reports(location), None)
    reports = (report for report in drill_reports(location) if report.finished_at <= latest)
    proven = next((report for report in reports if report.error is None), None)
    return BackupStatus(
        last_backup=last,
        last_good_at=good.finished_at if good else None,
        last_failure=describe_failure(last) if last else None,
        last_proven_at=proven.finished_at if proven else None,
        last_proven_set=proven.set_id if proven else None,
        last_drill_at=drill.finished_at if drill else None,
        last_drill_failure=drill.error if drill else None,
    )


def describe_failure(backup_set: BackupSet) -> str | None:
    """Return why a set is not good, or None if it is."""
    if backup_set.is_good:
        return None
    errors = [f"{backup.target}: {backup.error}" for backup in backup_set.targets if backup.error is not None]
    return "; ".join(errors) or "it contains only " + ", ".join(backup.target for backup in backup_set.targets)


def drill_reports(location: Location) -> Iterator[DrillReport]:
    """Yield the reports of drills, newest first; damaged ones are left out.

    Raises:
        StorageFailed: The location cannot be read.
    """
    for name in _report_names(location):
        try:
            with location.open(name) as file, translate_os_errors(name):
                yield DrillReport.model_validate_json(file.read())
        except (ObjectNotFound, ValidationError):
            continue


def write_report(location: Location, report: DrillReport) -> None:
    """Write the report of a drill as the newest one, whatever the clock was before, and remove the oldest reports.

    Raises:
        StorageFailed: The location cannot be written.
    """
    earlier = (parse_id(name.removeprefix(f"{DRILLS}/").removesuffix(_REPORT)) for name in _report_names(location))
    time = max([report.started_at, *(found + timedelta(seconds=1) for found in earlier if found)])
    with location.write(f"{DRILLS}/{time:{SET_ID}}{_REPORT}") as file:
        file.write(report.model_dump_json(indent=2).encode())
    for name in _report_names(location)[MAX_REPORTS:]:
        location.delete(name)


def _report_names(location: Location) -> list[str]:
    return sorted((name for name in location.names(DRILLS) if name.endswith(_REPORT)), reverse=True)
