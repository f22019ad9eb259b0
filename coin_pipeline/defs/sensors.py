"""What is done about runs that no op of theirs could answer for: killed, cancelled, never started."""

import json
import time

import dagster as dg

from coin_pipeline.defs.alive import forget, has_sign, process_ended
from coin_pipeline.defs.failures import ENDED, INTERRUPTED, failure_of
from coin_pipeline.defs.jobs import backtest, sweep
from coin_pipeline.defs.unfinished import leave_manifest
from coin_pipeline.storage.base import ObjectStore

WATCHED = [backtest, sweep]
NAMES = {job.name for job in WATCHED}
INTERVAL_S = 5
SILENCE_S = 60


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="End runs whose process is gone; Dagster's default launcher does not notice.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fail each run that is recorded as under way although its process ended.

    A process that left no sign was killed before its first op, or cannot write its last event; it is given a while.
    The cursor remembers since when it has been so.
    """
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    runs = [run for run in context.instance.get_runs(dg.RunsFilter(statuses=statuses)) if run.job_name in NAMES]
    silent: dict[str, float] = json.loads(context.cursor or "{}")
    now = time.time()
    since = {run.run_id: silent.get(run.run_id, now) for run in runs if not has_sign(run.run_id)}
    lost = [run for run in runs if process_ended(run.run_id) or now - since.get(run.run_id, now) > SILENCE_S]
    for run in lost:
        context.instance.report_run_failed(run, ENDED)
        forget(run.run_id)
    context.update_cursor(json.dumps(since))
    return dg.SkipReason(f"{len(runs)} runs under way, {len(lost)} lost")


@dg.run_failure_sensor(
    monitored_jobs=[*WATCHED],
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Leave a manifest for each failed task that has none.",
)
def failed_tasks(context: dg.RunFailureSensorContext, store: dg.ResourceParam[ObjectStore]) -> None:
    """Handle one failed run."""
    message, _ = failure_of(context.get_step_failure_events())
    leave_manifest(store, context.instance, context.dagster_run, "failed", message)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[*WATCHED],
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Leave a manifest for each cancelled task.",
)
def cancelled_tasks(context: dg.RunStatusSensorContext, store: dg.ResourceParam[ObjectStore]) -> None:
    """Handle one cancelled run."""
    leave_manifest(store, context.instance, context.dagster_run, "cancelled", INTERRUPTED)
