"""Task statuses, read from Dagster's records and the leases; with dagster_client.py, the only user of Dagster here."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar, cast, get_args

import dagster as dg

from coin_api.schemas import Status
from coin_api.tasks import Job, SweepPoints, Task
from coin_pipeline.database.runs.status import RunStatusRow, fetch_run_statuses
from coin_pipeline.database.session import Session
from coin_pipeline.defs.candles.progress import EVENT_TYPES, SeriesReporter, join_failures
from coin_pipeline.defs.sweeps.progress import SweepProgress
from coin_pipeline.errors import coded, error_class
from coin_pipeline.orchestration._dagster_internals import EventLogCursor
from coin_pipeline.orchestration.failures import read_failure
from coin_pipeline.orchestration.retries import default_max_retries, is_retry, next_attempt_id, will_retry
from coin_pipeline.orchestration.run_tags import CANCELLED_TAG, POINTS_TAG, STRATEGY_TAG, SYMBOLS_TAG, TIMEFRAME_TAG

T = TypeVar("T")
ProgressT = TypeVar("ProgressT", SweepProgress, SeriesReporter)
JOBS = frozenset(get_args(Job))
CACHE_SIZE = 1000
OVERLAP = 100
"""Events that are read again: of those stored at the same time, a later one may become visible first."""
_STATUS: Mapping[str, Status] = {
    "STARTED": "running",
    "SUCCESS": "completed",
    "FAILURE": "failed",
    "CANCELING": "cancelled",
    "CANCELED": "cancelled",
}
"""Task status by run status; all others mean queued. The database keeps a run in its final status."""
Attempts = Sequence[RunStatusRow]


class TaskStatusReader:
    """Reads any number of tasks with two statements, plus the events of failed runs, sweeps and refreshes."""

    def __init__(self, instance: dg.DagsterInstance, session: Session, ui_url: str) -> None:
        self._instance = instance
        self._session = session
        self._ui_url = ui_url.rstrip("/")
        self._max_retries = default_max_retries(instance)
        self._lock = Lock()
        self._errors: dict[str, tuple[str, str | None]] = {}
        self._progress: dict[str, tuple[SweepProgress | SeriesReporter, str | None]] = {}

    def read(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return the existing tasks among the ids."""
        return {task_id: self._task(attempts) for task_id, attempts in self._attempts(task_ids).items()}

    def latest_attempt_id(self, task_id: str) -> str:
        """Return the run id of the latest attempt at a task."""
        return self._attempts([task_id])[task_id][-1].run_id

    def _attempts(self, task_ids: Collection[str]) -> dict[str, list[RunStatusRow]]:
        """Return the runs of each task, first to latest; there is more than one if a process died."""
        rows = fetch_run_statuses(self._session, task_ids)
        attempts = {run_id: [run] for run_id, run in rows.items() if run.job in JOBS and not is_retry(run.tags)}
        while retried := {next_id: runs for runs in attempts.values() if (next_id := self._next_attempt_id(runs[-1]))}:
            retries = fetch_run_statuses(self._session, retried)
            for run_id, run in retries.items():
                retried[run_id].append(run)
            if len(retries) < len(retried):  # deleted by hand
                break
        return attempts

    def _task(self, attempts: Attempts) -> Task:
        first, latest = attempts[0], attempts[-1]
        status = self._status(attempts)
        error, kind = self._error(latest.run_id) if status == "failed" else (None, None)
        points = self._sweep_points(attempts, status) if latest.job == "sweep" else None
        share = points.done / points.planned if points else max(run.progress for run in attempts)
        is_refresh = latest.job == "refresh_candles"
        refresh = self._read_progress(latest.run_id, SeriesReporter) if is_refresh else SeriesReporter()
        if refresh.series:
            share = refresh.share
        if status == "failed" and refresh.failures:
            error = join_failures(refresh.failures)
        return Task(
            task_id=first.run_id,
            status=status,
            progress=1.0 if status == "completed" else min(share, 0.99),
            error=error,
            error_kind=kind,
            created_at=first.created_at.replace(tzinfo=UTC),
            started_at=_instant(next((run.started_at for run in attempts if run.started_at), None)),
            finished_at=_instant(latest.ended_at) if status in {"completed", "failed", "cancelled"} else None,
            url=f"{self._ui_url}/runs/{first.run_id}",
            points=points,
            series=refresh.series,
            job=cast("Job", latest.job),
            strategy=first.tags.get(STRATEGY_TAG),
            timeframe=first.tags.get(TIMEFRAME_TAG),
            symbols=first.tags.get(SYMBOLS_TAG),
        )

    def _status(self, attempts: Attempts) -> Status:
        """Return the status of a task; it is running from the start of its first attempt, also between attempts."""
        latest = attempts[-1]
        if CANCELLED_TAG in latest.tags:
            return "cancelled"
        retrying = latest.status == "FAILURE" and will_retry(latest.tags, self._max_retries)
        status = "queued" if retrying else _STATUS.get(latest.status, "queued")
        return "running" if status == "queued" and any(run.started_at for run in attempts) else status

    def _next_attempt_id(self, run: RunStatusRow) -> str | None:
        retrying = run.status == "FAILURE" and will_retry(run.tags, self._max_retries)
        return next_attempt_id(run.tags) if retrying else None

    def _sweep_points(self, attempts: Attempts, status: Status) -> SweepPoints:
        """Return the progress of the attempt that evaluated the most points, so that a retry never reduces it."""
        return max((self._points(run, status) for run in attempts), key=lambda points: points.done)

    def _points(self, run: RunStatusRow, status: Status) -> SweepPoints:
        progress = self._read_progress(run.run_id, SweepProgress)
        planned = progress.planned or int(run.tags.get(POINTS_TAG, 1))
        eta_s = progress.eta_s(time.time()) if status == "running" else None
        return SweepPoints(planned, progress.done, progress.points_per_second, eta_s)

    def _read_progress(self, run_id: str, kind: type[ProgressT]) -> ProgressT:
        """Return the progress that a run's events add up to; only events since the last read are fetched."""
        with self._lock:
            progress, cursor = self._progress.pop(run_id, (kind(), None))
            new = self._instance.get_records_for_run(run_id, cursor=cursor, of_type=EVENT_TYPES)
            for record in new.records:
                progress.observe(record.event_log_entry)
            last = new.records[-1].storage_id if new.records else 0
            if last > OVERLAP:
                cursor = EventLogCursor.from_storage_id(last - OVERLAP).to_string()
            _cache(self._progress, run_id, (progress, cursor))
            return cast("ProgressT", progress)

    def _error(self, run_id: str) -> tuple[str, str | None]:
        """Return why a run failed, for clients, and the name of the error class; neither changes any more."""
        with self._lock:
            if run_id not in self._errors:
                message, kind = read_failure(self._instance, run_id)
                _cache(self._errors, run_id, (_for_clients(message, kind), kind))
            return self._errors[run_id]


def _for_clients(message: str, kind: str | None) -> str:
    """Return the message of a failure without what is private to the machine."""
    if kind is None:
        return coded("unexpected_failure")
    return error_class(kind).client_message or message


def _cache(values: dict[str, T], run_id: str, value: T) -> None:
    """Store a value, and drop the oldest entry if the cache is full."""
    values[run_id] = value
    if len(values) > CACHE_SIZE:
        del values[next(iter(values))]


def _instant(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)
