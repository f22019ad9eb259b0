"""The retention schedule."""

import dagster as dg

from coin_pipeline.defs.maintenance.jobs import retention

SEOUL = "Asia/Seoul"


daily_retention = dg.ScheduleDefinition(
    name="daily_retention",
    job=retention,
    cron_schedule="30 3 * * *",
    execution_timezone=SEOUL,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Remove everything past its retention period, at 03:30.",
)
