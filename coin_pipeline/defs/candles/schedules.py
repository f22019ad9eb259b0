"""The schedule that refreshes candles."""

import dagster as dg

from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
from coin_pipeline.defs.candles.jobs import refresh_candles
from coin_pipeline.defs.run_requests import refresh_submission
from coin_pipeline.settings import load_settings

SEOUL = "Asia/Seoul"


def daily_candles() -> dg.ScheduleDefinition:
    """Return the daily schedule at the time of the settings.

    A missed tick needs no catch-up: each refresh resumes where the last one ended.
    """
    settings = load_settings()

    @dg.schedule(
        name="daily_candles",
        job=refresh_candles,
        cron_schedule=f"{settings.scheduler_minute} {settings.scheduler_hour} * * *",
        execution_timezone=SEOUL,
        default_status=dg.DefaultScheduleStatus[("STOPPED", "RUNNING")[settings.enable_scheduler]],
        description="Collect new candles of SCHEDULER_SYMBOLS and SCHEDULER_TIMEFRAMES every day.",
    )
    def collect(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        submission = refresh_submission(resolve_refresh(RefreshRequest(), load_settings()))
        return dg.RunRequest(run_config=submission.config, tags=submission.tags)

    return collect
