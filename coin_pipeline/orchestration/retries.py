"""Attempts at a task: each is a Dagster run. A retry follows if the process died, not if the backtest failed."""

import uuid
from collections.abc import Mapping

import dagster as dg

from coin_pipeline.database.runs.leases import RunLease
from coin_pipeline.errors import NotFound, ObjectCorrupt, StorageFailed
from coin_pipeline.orchestration._dagster_internals import TAGS_TO_MAYBE_OMIT_ON_RETRY
from coin_pipeline.orchestration.failures import PROCESS_DIED
from coin_pipeline.orchestration.job_names import TASK_JOBS
from coin_pipeline.orchestration.run_tags import (
    ALL_STEPS,
    AUTO_RETRY_RUN_ID_TAG,
    CANCELLED_TAG,
    MAX_RETRIES_TAG,
    PARENT_RUN_ID_TAG,
    PRIORITY_TAG,
    RETRY_NUMBER_TAG,
    RETRY_STRATEGY_TAG,
    ROOT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
    STEP_FAILURE,
    TURN_TAG,
    WILL_RETRY_TAG,
)
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import index_result
from coin_pipeline.storage.base import ObjectStore

RETRY_ALL_STEPS = {RETRY_STRATEGY_TAG: ALL_STEPS}
"""Tag that makes a retry run all steps: after a process died, the state that its steps left is unknown."""

ABANDONED_TAGS = {WILL_RETRY_TAG: "false", CANCELLED_TAG: "true"}
"""Tags of a failed attempt whose task was cancelled before the next attempt."""


def task_id_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the id of the task that a run is an attempt at, which is the run id of the first attempt."""
    while is_retry(run.tags) and run.parent_run_id:
        parent = instance.get_run_by_id(run.parent_run_id)
        if parent is None:  # deleted by hand
            return run.parent_run_id
        run = parent
    return run.run_id


def is_retry(tags: Mapping[str, str]) -> bool:
    """Return whether a run with these tags is a retry."""
    return RETRY_NUMBER_TAG in tags


def retry_number(tags: Mapping[str, str]) -> int:
    """Return which retry a run with these tags is, 0 for the first attempt; users may set any tag in the Dagster UI."""
    number = tags.get(RETRY_NUMBER_TAG, "")
    return int(number) if number.isdecimal() else 0


def default_max_retries(instance: dg.DagsterInstance) -> int:
    """Return how many retries a run gets that has no tag for it."""
    return instance.run_retries_max_retries if instance.run_retries_enabled else 0


def will_retry(tags: Mapping[str, str], max_retries: int) -> bool:
    """Return whether a failed run will be retried.

    Dagster's own tag that it will not retry is ignored: it gives up permanently if the code server is unavailable at
    that moment, and the monitor then makes the retry.

    Args:
        tags: Tags of the failed run.
        max_retries: Limit for runs without a tag of their own.
    """
    if CANCELLED_TAG in tags:
        return False
    if tags.get(WILL_RETRY_TAG) == "true":
        return True
    limit = tags.get(MAX_RETRIES_TAG, "")
    left = (int(limit) if limit.isdecimal() else max_retries) - retry_number(tags)
    return left > 0 and tags.get(RUN_FAILURE_REASON_TAG) != STEP_FAILURE


def is_retry_decided(tags: Mapping[str, str]) -> bool:
    """Return whether Dagster has decided about a retry, which takes some milliseconds after a failure."""
    return WILL_RETRY_TAG in tags


def is_last_attempt(run: dg.DagsterRun, max_retries: int) -> bool:
    """Return whether a run that ended is not retried.

    A retry of a task that Dagster gives up is made by the monitor; one of another job is not made.

    Args:
        run: A run that ended.
        max_retries: Limit for runs without a tag of their own.
    """
    given_up = run.tags.get(WILL_RETRY_TAG) == "false" and run.job_name not in TASK_JOBS
    return run.status != dg.DagsterRunStatus.FAILURE or given_up or not will_retry(run.tags, max_retries)


def next_attempt_id(tags: Mapping[str, str]) -> str | None:
    """Return the run id of the retry of a failed run with these tags, or None if there is none yet."""
    return tags.get(AUTO_RETRY_RUN_ID_TAG)


def enqueue_retry(instance: dg.DagsterInstance, failed: dg.DagsterRun) -> None:
    """Queue a retry of a failed run, as Dagster's daemon normally does; one that is already stored is queued."""
    group = instance.get_run_group(failed.run_id)
    runs = [*group[1]] if group else []
    made = next((run for run in runs if run.parent_run_id == failed.run_id and is_retry(run.tags)), None)
    again = made or _copy(instance, failed, number=len(runs))
    instance.add_run_tags(failed.run_id, {WILL_RETRY_TAG: "true", AUTO_RETRY_RUN_ID_TAG: again.run_id})
    now = instance.get_run_by_id(failed.run_id)
    if now and CANCELLED_TAG in now.tags:  # cancelled in the meantime
        instance.report_run_canceled(again)
    elif again.status == dg.DagsterRunStatus.NOT_STARTED:
        instance.report_dagster_event(dg.DagsterEvent.job_enqueue(again), again.run_id)


def finalize_orphan(
    instance: dg.DagsterInstance, store: ObjectStore, index: ResultIndex, run_id: str, lease: RunLease | None
) -> bool:
    """Record the end of a run whose process died before it could: succeeded, cancelled or failed.

    A run that died while publishing has succeeded if its result is complete.

    Returns:
        False if that depends on the result and the object store is unavailable; call again later.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return True
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
        return True
    try:
        stored = lease is not None and lease.published and _complete(store, index, task_id_of(instance, run))
    except StorageFailed:
        return False
    if stored:
        done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message="The result is stored.")
        instance.report_dagster_event(done, run_id)
    else:
        instance.report_run_failed(run, str(PROCESS_DIED))
    return True


def _copy(instance: dg.DagsterInstance, run: dg.DagsterRun, number: int) -> dg.DagsterRun:
    """Store a copy of a run as retry `number` of the first attempt."""
    root = run.root_run_id or run.run_id
    # Without the turn of its parent, which has passed, it is the next that starts.
    omitted = {*TAGS_TO_MAYBE_OMIT_ON_RETRY, *([PRIORITY_TAG] if TURN_TAG in run.tags else []), TURN_TAG}
    kept = {name: value for name, value in run.tags.items() if name not in omitted}
    ours = {PARENT_RUN_ID_TAG: run.run_id, ROOT_RUN_ID_TAG: root, RETRY_NUMBER_TAG: str(number)}
    again = run._replace(
        run_id=str(uuid.uuid4()),
        parent_run_id=run.run_id,
        root_run_id=root,
        status=dg.DagsterRunStatus.NOT_STARTED,
        tags={**kept, **ours},
    )
    return instance.run_storage.add_run(again)


def _complete(store: ObjectStore, index: ResultIndex, task_id: str) -> bool:
    """Return whether a task has its result, and add it to the index if so."""
    try:
        index_result(store, index, task_id)
    except (NotFound, ObjectCorrupt):
        return False
    return True
