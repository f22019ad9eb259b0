"""The schedules of backups, restore drills and the removal of old backups."""

import dagster as dg

from coin_pipeline.defs.backups.jobs import backup, backup_cleanup, restore_drill
from coin_pipeline.settings import load_settings

SEOUL = "Asia/Seoul"
_TIMES = {
    "daily_backup": (backup, "0 0 * * *", "Back up everything, at 00:00."),
    # Both jobs are bulk, and one bulk run executes at a time: the drill waits for a backup that takes longer.
    "daily_restore_drill": (restore_drill, "30 0 * * *", "Prove the newest backup by restoring it, at 00:30."),
    "weekly_backup_cleanup": (backup_cleanup, "0 1 * * 0", "Remove old backups, on Sundays at 01:00."),
}
SCHEDULES = tuple(_TIMES)
"""Names of the schedules."""


def backup_schedules() -> list[dg.ScheduleDefinition]:
    """Return the schedules; with COIN_BACKUP_SCHEDULE=off they are off until they are switched on in the Dagster UI."""
    status = dg.DefaultScheduleStatus[("STOPPED", "RUNNING")[load_settings().coin_backup_schedule == "on"]]
    return [
        dg.ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=cron,
            execution_timezone=SEOUL,
            default_status=status,
            description=description,
        )
        for name, (job, cron, description) in _TIMES.items()
    ]
