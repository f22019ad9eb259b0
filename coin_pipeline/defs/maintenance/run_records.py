"""Dagster's run records for retention: unfinished runs, finished runs and their removal."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from coin_pipeline.orchestration.retries import is_retry, task_id_of
from coin_pipeline.orchestration.run_tags import PARENT_RUN_ID_TAG
from coin_pipeline.orchestration.task_manifests import is_task
from coin_pipeline.results.retention import EndedRun

FINISHED_STATUSES = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
PAGE_SIZE = 500
"""Records read per query."""


def unfinished_ids(instance: dg.DagsterInstance) -> frozenset[str]:
    """Return the ids of all unfinished runs and of their tasks."""
    statuses = [status for status in dg.DagsterRunStatus if status not in FINISHED_STATUSES]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return frozenset(name for run in runs for name in (run.run_id, task_id_of(instance, run)))


def finished_runs(instance: dg.DagsterInstance, before: datetime, page: int = PAGE_SIZE) -> Iterator[EndedRun]:
    """Yield runs that ended before `before`, latest first; remove none until all have been read."""
    filters = dg.RunsFilter(statuses=[*FINISHED_STATUSES], updated_before=before)
    cursor: str | None = None
    while records := instance.get_run_records(filters, limit=page, cursor=cursor):
        for record in records:
            run = record.dagster_run
            ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
            yield EndedRun(run.run_id, task_id_of(instance, run), is_task(run), ended_at)
        cursor = records[-1].dagster_run.run_id


def attempts_by_task(instance: dg.DagsterInstance, task_ids: Sequence[str]) -> dict[str, list[dg.DagsterRun]]:
    """Return the runs of each task, first to latest; the number of queries does not depend on that of tasks."""
    tasks = {task_id: task_id for task_id in task_ids}
    found: dict[str, list[dg.DagsterRun]] = {task_id: [] for task_id in task_ids}
    runs = [run for run in instance.get_runs(dg.RunsFilter(run_ids=[*task_ids])) if not is_retry(run.tags)]
    latest = list(task_ids)
    while latest:
        for run in runs:
            found[tasks[run.run_id]].append(run)
        following = instance.get_runs(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: latest}))
        runs = [run for run in following if is_retry(run.tags) and run.parent_run_id in tasks]
        tasks |= {run.run_id: tasks[str(run.parent_run_id)] for run in runs}
        latest = [run.run_id for run in runs]
    return found
