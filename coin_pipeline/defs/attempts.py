"""Attempts at a task: each is a Dagster run; another one follows only if a process died, never if a backtest failed."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG

from coin_pipeline.backtest.results import read_result
from coin_pipeline.database.leases import Lease
from coin_pipeline.defs.failures import ENDED
from coin_pipeline.errors import NotFound, ObjectCorrupt
from coin_pipeline.storage.base import ObjectStore

CANCELLED_TAG = "coin/cancelled"
GIVEN_UP = {WILL_RETRY_TAG: "false", CANCELLED_TAG: "true"}
"""Tags of a failed attempt whose task was cancelled before another one followed."""


def task_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the id of the task that a run is an attempt at: that of the first attempt."""
    while is_retry(run.tags) and run.parent_run_id:
        parent = instance.get_run_by_id(run.parent_run_id)
        if parent is None:  # deleted by hand
            return run.parent_run_id
        run = parent
    return run.run_id


def is_retry(tags: Mapping[str, str]) -> bool:
    """Tell whether a run with these tags is another attempt at what a run before it did not end."""
    return RETRY_NUMBER_TAG in tags


def follows(tags: Mapping[str, str]) -> bool | None:
    """Tell whether a failed run with these tags is followed by another attempt; None until Dagster has decided that."""
    return {"true": True, "false": False}.get(tags.get(WILL_RETRY_TAG, ""))


def next_attempt(tags: Mapping[str, str]) -> str | None:
    """Return the run that follows the failed one with these tags; None where there is none yet."""
    return tags.get(AUTO_RETRY_RUN_ID_TAG)


def settle(instance: dg.DagsterInstance, store: ObjectStore, run_id: str, lease: Lease | None) -> None:
    """Record how a run ended whose process did not live to tell: with a stored result, cancelled, or failed."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
    elif lease and lease.published and _complete(store, task_of(instance, run)):
        done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message="Its result is stored.")
        instance.report_dagster_event(done, run_id)
    else:
        instance.report_run_failed(run, ENDED)


def _complete(store: ObjectStore, task_id: str) -> bool:
    try:
        read_result(store, task_id)
    except (NotFound, ObjectCorrupt):
        return False
    return True
