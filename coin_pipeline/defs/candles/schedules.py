"""The schedule that collects candles."""

import dagster as dg

from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
from coin_pipeline.defs.candles.jobs import refresh_candles
from coin_pipeline.defs.run_requests import refresh_submission
from coin_pipeline.settings import load_settings

SEOUL = "Asia/Seoul"


def daily_candles() -> dg.ScheduleDefinition:
    """Return the schedule that collects candles at the time that the settings name.

    One that was missed, as the platform was down, is made up by the next: each goes on where the last one has ended.
    """
    settings = load_settings()

    @dg.schedule(
        name="daily_candles",
        job=refresh_candles,
        cron_schedule=f"{settings.scheduler_minute} {settings.scheduler_hour} * * *",
        execution_timezone=SEOUL,
        default_status=dg.DefaultScheduleStatus[("STOPPED", "RUNNING")[settings.enable_scheduler]],
        description="Collect what is new of SCHEDULER_SYMBOLS and SCHEDULER_TIMEFRAMES, every day.",
    )
    def collect(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        launch = refresh_submission(resolve_refresh(RefreshRequest(), load_settings()))
        return dg.RunRequest(run_config=launch.config, tags=launch.tags)

    return collect
