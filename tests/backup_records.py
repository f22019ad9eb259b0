"""Records of backups and drills at a location, for tests of what reads them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.model import SET_ID, TARGETS, BackupSet, DrillReport, TargetBackup
from coin_pipeline.backup.sets import write_manifest
from coin_pipeline.backup.status import write_report


def record_set(root: Path, finished_at: datetime, errors: Mapping[str, str] | None = None) -> BackupSet:
    """Record a set, which took a minute; `errors` has the targets that failed."""
    started_at = finished_at - timedelta(minutes=1)
    found = BackupSet(
        set_id=f"{started_at:{SET_ID}}",
        started_at=started_at,
        finished_at=finished_at,
        version="1.0",
        schema_revision="0004",
        recipient=None,
        targets=tuple(TargetBackup(target=target, error=(errors or {}).get(target)) for target in TARGETS),
    )
    write_manifest(FolderLocation(root), found)
    return found


def record_drill(root: Path, finished_at: datetime, error: str | None = None) -> None:
    """Record a drill, which took a minute."""
    started_at = finished_at - timedelta(minutes=1)
    report = DrillReport(set_id="20260101_000000", started_at=started_at, finished_at=finished_at, error=error)
    write_report(FolderLocation(root), report)
