"""Jobs that run by the clock."""

import dagster as dg

from coin_pipeline.defs.jobs import retention

daily_retention = dg.ScheduleDefinition(
    name="daily_retention",
    job=retention,
    cron_schedule="30 3 * * *",
    execution_timezone="Asia/Seoul",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Remove what is no longer kept, at night.",
)
