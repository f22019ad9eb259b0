"""What is done about runs that no op of theirs could answer for: killed, cancelled, never started."""

import dagster as dg

from coin_pipeline.defs.failures import INTERRUPTED, failure_of
from coin_pipeline.defs.jobs import backtest
from coin_pipeline.defs.unfinished import leave_manifest
from coin_pipeline.storage.base import ObjectStore

INTERVAL_S = 5


@dg.run_failure_sensor(
    monitored_jobs=[backtest],
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
    monitored_jobs=[backtest],
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Leave a manifest for each cancelled task.",
)
def cancelled_tasks(context: dg.RunStatusSensorContext, store: dg.ResourceParam[ObjectStore]) -> None:
    """Handle one cancelled run."""
    leave_manifest(store, context.instance, context.dagster_run, "cancelled", INTERRUPTED)
