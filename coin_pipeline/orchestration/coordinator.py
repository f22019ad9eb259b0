"""Run queue in which clients take turns, and that interactive runs bypass while the worker pool has free slots."""

import dagster as dg

from coin_pipeline.candles.exchanges.base import UPBIT
from coin_pipeline.orchestration._dagster_internals import IMPLICIT_ASSET_JOB_NAME
from coin_pipeline.orchestration.launcher import PooledRunLauncher
from coin_pipeline.orchestration.run_tags import (
    BACKFILL_TAG,
    BULK,
    CANCELLED_TAG,
    CLASS_TAG,
    EXCHANGE_TAG,
    RETRY_NUMBER_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    is_bulk,
)
from coin_pipeline.orchestration.turns import assigning_turns, queue_tags

QUEUED_TAGS = frozenset({SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, BACKFILL_TAG, RETRY_NUMBER_TAG})
"""Tags of runs that are never interactive."""


class PriorityRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """Dagster's run queue, which interactive runs bypass while the worker pool has free slots.

    Overrides `submit_run(context)` of the public `dg.QueuedRunCoordinator`. A change of its signature is noticed by
    tests/orchestration/test_dagster_contract.py, one of its behaviour by tests/e2e/test_runs.py.
    """

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Launch an interactive run at once if the pool reserves a slot for it; otherwise queue the run.

        A retry of a task that was cancelled after Dagster had decided to retry it is cancelled instead.
        """
        run, launcher = context.dagster_run, self._instance.run_launcher
        if self._retries_a_cancelled_task(run):
            self._instance.report_run_canceled(run)
            return self._instance.get_run_by_id(run.run_id) or run
        if run.job_name.startswith(IMPLICIT_ASSET_JOB_NAME):  # launched from an asset's page, so no job sets its tags
            tags = {CLASS_TAG: BULK, EXCHANGE_TAG: UPBIT}
            return self._enqueue(context, run.with_tags({**run.tags, **tags}))
        if (
            run.status == dg.DagsterRunStatus.NOT_STARTED
            and isinstance(launcher, PooledRunLauncher)
            and is_interactive(run)
            and launcher.reserve(run)
        ):
            return self._instance.launch_run(run.run_id, context.workspace)
        return self._enqueue(context, run)

    def _enqueue(self, context: dg.SubmitRunContext, run: dg.DagsterRun) -> dg.DagsterRun:
        """Queue a run with the tags of `run` and those of its turn, unless it is already queued."""
        if run.status != dg.DagsterRunStatus.NOT_STARTED:
            return super().submit_run(context)
        with assigning_turns(self._instance):
            tags = {**run.tags, **queue_tags(self._instance, run)}
            self._instance.add_run_tags(run.run_id, dict(tags.items() - context.dagster_run.tags.items()))
            return super().submit_run(context)

    def _retries_a_cancelled_task(self, run: dg.DagsterRun) -> bool:
        if RETRY_NUMBER_TAG not in run.tags or run.parent_run_id is None:
            return False
        failed = self._instance.get_run_by_id(run.parent_run_id)
        return failed is not None and CANCELLED_TAG in failed.tags


def is_interactive(run: dg.DagsterRun) -> bool:
    """Return whether a user is waiting for the run."""
    return not is_bulk(run) and QUEUED_TAGS.isdisjoint(run.tags)
