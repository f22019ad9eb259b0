"""What is done about runs that no op of theirs could answer for: killed, cancelled, never started."""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg

from coin_pipeline.database.runs.leases import RENEWAL_S, Leases, RunLease
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.backtests.jobs import backtest
from coin_pipeline.defs.candles.jobs import refresh_candles
from coin_pipeline.defs.failure_manifest import is_answered, write_failure_manifest
from coin_pipeline.defs.maintenance.jobs import retention
from coin_pipeline.defs.sweeps.jobs import sweep
from coin_pipeline.orchestration._dagster_internals import IMPLICIT_ASSET_JOB_NAME
from coin_pipeline.orchestration.failures import INTERRUPTED, overdue_message, read_failure
from coin_pipeline.orchestration.launcher import PooledRunLauncher
from coin_pipeline.orchestration.retries import (
    default_max_retries,
    enqueue_retry,
    finalize_orphan,
    next_attempt_id,
    will_retry,
)
from coin_pipeline.orchestration.run_tags import CANCELLED_TAG, MAX_RETRIES_TAG, WILL_RETRY_TAG
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore

TASKS = {backtest.name, sweep.name}
"""Jobs of which somebody waits for an answer."""
WATCHED = {*TASKS, retention.name, refresh_candles.name, IMPLICIT_ASSET_JOB_NAME}
INTERVAL_S = 5
SILENCE_S, STARTING_S = 8, 120
"""How long a run may be under way without a lease, and how much longer a process may take to start."""
RECENT, FORGOTTEN_S = 100, 60
_answered = set[str]()
"""Those of the latest runs that were seen to have a manifest: in a bucket each look is a request."""
MARGIN = timedelta(hours=1)


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="End runs whose process is gone or that take too long; start those that were left behind.",
)
def lost_runs(context: dg.SensorEvaluationContext, store: dg.ResourceParam[ObjectStore]) -> dg.SkipReason:
    """Settle each run that is recorded as under way although nobody renews its lease.

    The database tells the time, so no clock that was set wrong ends a run. A lease that is over counts only if it is
    not renewed within the next moments: the database may have been away for longer than any lease. A run without a
    lease has not come to its first op, and one that was told to end should have: the cursor remembers since when.
    """
    instance = context.instance
    runs = _runs(instance, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
    leases = _leases(runs)
    silent: dict[str, float] = json.loads(context.cursor or "{}")
    now = time.monotonic()
    ending = [run for run in runs if run.status == dg.DagsterRunStatus.CANCELING]
    since = {run.run_id: silent.get(run.run_id, now) for run in runs if run.run_id not in leases or run in ending}
    if not isinstance(instance.run_launcher, PooledRunLauncher):  # who knows what it was handed
        starting = _runs(instance, dg.DagsterRunStatus.STARTING)
        since |= {run.run_id: silent.get(run.run_id, now + STARTING_S) for run in starting}
    lost = [run_id for run_id, lease in leases.items() if lease.is_lost]
    if lost:
        time.sleep(2 * RENEWAL_S)
        leases = _leases(runs)
        lost = [run_id for run_id in lost if run_id in leases and leases[run_id].is_lost]
    lost += [run_id for run_id, began in since.items() if not -STARTING_S <= now - began <= SILENCE_S]
    untold = 0
    with closing(Session(database_url(load_settings()))) as session:
        for run_id in lost:
            untold += not finalize_orphan(instance, store, ResultIndex(session), run_id, leases.get(run_id))
            _stop(instance, run_id, leases.get(run_id))  # a process that was stopped still takes a place
    _end_overdue(instance, runs, leases)
    context.update_cursor(json.dumps(since))
    started = _start_stranded(instance)
    waiting = f", {untold} of them until the object store can say how they ended" if untold else ""
    return dg.SkipReason(f"{len(runs)} runs under way, {len(lost)} lost{waiting}, {started} started again")


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Leave a manifest for each task that failed or was cancelled and has none.",
)
def unanswered_tasks(context: dg.SensorEvaluationContext, store: dg.ResourceParam[ObjectStore]) -> dg.SkipReason:
    """Look at the runs that ended last, without a cursor: what ended before the first look is found too.

    A run whose process died is followed by another one. Dagster makes that, unless the code server is away, or its
    daemon had not begun yet: what it has given up, or has not made for a while, is made here.
    """
    instance, answered = context.instance, 0
    waiting: dict[str, float] = json.loads(context.cursor or "{}")
    now, still, most = time.monotonic(), dict[str, float](), default_max_retries(instance)
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    filters = dg.RunsFilter(statuses=ended, updated_after=datetime.now(UTC) - _answerable())
    runs = [run for run in instance.get_runs(filters, limit=RECENT) if run.job_name in TASKS]
    _answered.intersection_update(run.run_id for run in runs)
    for run in runs:
        if run.run_id in _answered or is_answered(store, instance, run):
            _answered.add(run.run_id)
            continue
        if run.status == dg.DagsterRunStatus.FAILURE and will_retry(run.tags, most):
            if (made := next_attempt_id(run.tags)) and not _left_behind(instance, made):
                continue
            began = waiting.get(run.run_id, now)
            if run.tags.get(WILL_RETRY_TAG) != "false" and 0 <= now - began <= FORGOTTEN_S:
                still[run.run_id] = began
            else:
                enqueue_retry(instance, run)
            continue
        answered += 1
        if run.status == dg.DagsterRunStatus.CANCELED or CANCELLED_TAG in run.tags:  # between two attempts
            write_failure_manifest(store, instance, run, "cancelled", INTERRUPTED)
        else:
            write_failure_manifest(store, instance, run, "failed", read_failure(instance, run.run_id)[0])
    context.update_cursor(json.dumps(still))
    return dg.SkipReason(f"{answered} tasks answered for, {len(still)} to be attempted again")


def _left_behind(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Tell whether a run was stored, and never queued: the database went away in between, say."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status == dg.DagsterRunStatus.NOT_STARTED


def _answerable() -> timedelta:
    """Return how long ago a task may have ended: one whose manifest expires now must not get another one."""
    return timedelta(days=load_settings().task_result_ttl_days) - MARGIN


def _runs(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=[*statuses])) if run.job_name in WATCHED]


def _leases(runs: Sequence[dg.DagsterRun]) -> Mapping[str, RunLease]:
    with closing(Session(database_url(load_settings()))) as session:
        return Leases(session).fetch([run.run_id for run in runs])


def _end_overdue(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun], leases: Mapping[str, RunLease]) -> None:
    limit = load_settings().coin_max_run_seconds
    for run in runs:
        lease = leases.get(run.run_id)
        if lease and not lease.is_lost and lease.age_s > limit and run.status == dg.DagsterRunStatus.STARTED:
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})  # another attempt would take as long
            instance.report_run_failed(run, overdue_message(limit))
            _stop(instance, run.run_id, lease)


def _stop(instance: dg.DagsterInstance, run_id: str, lease: RunLease | None) -> None:
    """End the process of a run, even if who started it is away."""
    instance.run_launcher.terminate(run_id)
    if lease:
        lease.send_signal(signal.SIGKILL)


def _start_stranded(instance: dg.DagsterInstance) -> int:
    """Start what was handed to the worker pool but never reached it: who did so, or the pool, died in between."""
    launcher = instance.run_launcher
    if not isinstance(launcher, PooledRunLauncher):
        return 0
    return launcher.launch_missing(_runs(instance, dg.DagsterRunStatus.STARTING)[::-1])  # who waits longest first
