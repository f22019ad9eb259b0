"""Items on backups: their schedules, the newest backup and its checksums."""

from datetime import UTC, datetime, timedelta

from coin_pipeline.alerts.decisions_conditions import MAX_AGE
from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backup.model import Target
from coin_pipeline.backup.sets import set_ids
from coin_pipeline.defs.backups.schedules import SCHEDULES
from coin_pipeline.migration.checklist.item import Check, ChecklistOutcome, failed, not_applicable, passed
from coin_pipeline.migration.inspector import Inspector

BACK_UP = "coin backup run"
_NO_BACKUP = failed("there is no complete backup; create one", BACK_UP)
_OFF = not_applicable("COIN_BACKUP_SCHEDULE=off, so backups are your own task: coin backup run")


def scheduler_runs(inspector: Inspector) -> ChecklistOutcome:
    """Check that a daemon runs that starts backups."""
    if inspector.settings.coin_backup_schedule == "off":
        return _OFF
    inspector.health()  # without a running platform, the database would be started for this
    status = inspector.backup_scheduler()
    if not status["is_running"]:
        return failed("no daemon runs that would start backups; see GET /health and DATA_ROOT/logs/daemon.log")
    return passed("the daemon evaluates the schedules of backups")


def jobs_are_scheduled(inspector: Inspector) -> ChecklistOutcome:
    """Check that all schedules of backups are on."""
    if inspector.settings.coin_backup_schedule == "off":
        return _OFF
    inspector.health()
    status = inspector.backup_scheduler()
    missing = [name for name in SCHEDULES if name not in status["jobs"]]
    if missing:
        return failed(f"{', '.join(missing)} off; switch them on in the Dagster UI, Automation")
    return passed(f"{status['jobs_count']} schedules are on: {', '.join(status['jobs'])}")


def location_exists(inspector: Inspector) -> ChecklistOutcome:
    """Check that the location of backups can be read, and has one."""
    location = inspector.backup_location
    sets = set_ids(location)
    if not sets:
        return failed(f"there is no backup in {location.uri()}; create one", BACK_UP)
    return passed(f"{pluralize(len(sets), 'backup')} in {location.uri()}")


def backed_up_lately(inspector: Inspector) -> ChecklistOutcome:
    """Check the age of the newest complete backup."""
    newest = inspector.complete_backup()
    if newest is None:
        return _NO_BACKUP
    age = datetime.now(UTC) - newest.finished_at
    summary = f"the newest complete backup is {newest.set_id}, {age / timedelta(hours=1):.1f} hours old"
    return passed(summary) if age <= MAX_AGE else failed(f"{summary}; back up again", BACK_UP)


def target_is_intact(target: Target, unit: str) -> Check:
    """Return the check that a target of the newest complete backup is intact.

    Args:
        target: The target.
        unit: What it consists of, in the singular.
    """

    def check(inspector: Inspector) -> ChecklistOutcome:
        newest = inspector.complete_backup()
        if newest is None:
            return _NO_BACKUP
        verified = inspector.verified_backup()[target]
        if verified.error:
            return failed(f"{target} of backup {newest.set_id}: {verified.error}; back up again", BACK_UP)
        backup = next(backup for backup in newest.targets if backup.target == target)
        return passed(f"{pluralize(backup.objects, unit)} in backup {newest.set_id}, verified")

    return check


def checksums_match(inspector: Inspector) -> ChecklistOutcome:
    """Check the checksums of all files of the newest complete backup."""
    newest = inspector.complete_backup()
    if newest is None:
        return _NO_BACKUP
    damaged = [f"{target.target}: {target.error}" for target in inspector.verified_backup().values() if target.error]
    if damaged:
        return failed(f"backup {newest.set_id}: {'; '.join(damaged)}; back up again", BACK_UP)
    files = sum(len(target.files) for target in newest.targets)
    return passed(f"MD5 and SHA-256 of {pluralize(files, 'file')} of backup {newest.set_id} match")
