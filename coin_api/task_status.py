"""Where tasks stand, as Dagster's records and our leases tell; with runs.py, all that knows Dagster here."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar, cast, get_args

import dagster as dg

from coin_api.schemas import Status
from coin_api.tasks import Job, SweepPoints, Task
from coin_pipeline.database.runs import status
from coin_pipeline.database.session import Session
from coin_pipeline.defs.candles.progress import TYPES, SeriesReporter, all_of
from coin_pipeline.defs.sweeps.progress import SweepProgress
from coin_pipeline.orchestration._dagster_internals import EventLogCursor
from coin_pipeline.orchestration.failures import read_failure
from coin_pipeline.orchestration.retries import default_max_retries, is_retry, next_attempt_id, will_retry
from coin_pipeline.orchestration.run_tags import CANCELLED_TAG, POINTS_TAG

T = TypeVar("T")
Heard = TypeVar("Heard", SweepProgress, SeriesReporter)
JOBS = frozenset(get_args(Job))
KEPT = 1000
OVERLAP = 100
"""Events that are read once more, since of those stored at the same time a later one may be seen first."""
_STATUS: Mapping[str, Status] = {
    "STARTED": "running",
    "SUCCESS": "completed",
    "FAILURE": "failed",
    "CANCELING": "cancelled",
    "CANCELED": "cancelled",
}
"""What a run's status means for its task; any other means queued. The database keeps a run from leaving its end."""
Attempts = Sequence[status.RunStatusRow]


class TaskStatusReader:
    """Reads where tasks stand: two statements for any number of them, and what failed runs and sweeps have to tell."""

    def __init__(self, instance: dg.DagsterInstance, session: Session) -> None:
        self._instance = instance
        self._session = session
        self._most = default_max_retries(instance)
        self._lock = Lock()
        self._errors: dict[str, tuple[str, str | None]] = {}
        self._tallies: dict[str, tuple[SweepProgress | SeriesReporter, str | None]] = {}

    def of(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return those of the ids that are tasks, with where each stands."""
        return {task_id: self._task(attempts) for task_id, attempts in self._attempts(task_ids).items()}

    def latest(self, task_id: str) -> str:
        """Return the run of the latest attempt at a task."""
        return self._attempts([task_id])[task_id][-1].run_id

    def _attempts(self, task_ids: Collection[str]) -> dict[str, list[status.RunStatusRow]]:
        """Return the runs of each task, first to latest: another one follows where a process died."""
        found = status.fetch_run_statuses(self._session, task_ids)
        attempts = {run_id: [run] for run_id, run in found.items() if run.job in JOBS and not is_retry(run.tags)}
        while following := {later: runs for runs in attempts.values() if (later := self._next(runs[-1]))}:
            more = status.fetch_run_statuses(self._session, following)
            for run_id, run in more.items():
                following[run_id].append(run)
            if len(more) < len(following):  # deleted by hand
                break
        return attempts

    def _task(self, attempts: Attempts) -> Task:
        first, latest = attempts[0], attempts[-1]
        status = self._status(attempts)
        error, kind = self._error(latest.run_id) if status == "failed" else (None, None)
        points = self._farthest(attempts, status) if latest.job == "sweep" else None
        share = points.done / points.planned if points else max(run.progress for run in attempts)
        refresh = self._heard(latest.run_id, SeriesReporter) if latest.job == "refresh_candles" else SeriesReporter()
        if refresh.series:
            share = refresh.share
        if status == "failed" and refresh.failures:
            error = all_of(refresh.failures)
        return Task(
            task_id=first.run_id,
            status=status,
            progress=1.0 if status == "completed" else min(share, 0.99),
            error=error,
            error_kind=kind,
            created_at=first.created_at.replace(tzinfo=UTC),
            started_at=_instant(next((run.started_at for run in attempts if run.started_at), None)),
            finished_at=_instant(latest.ended_at) if status in {"completed", "failed", "cancelled"} else None,
            points=points,
            series=refresh.series,
            job=cast("Job", latest.job),
        )

    def _status(self, attempts: Attempts) -> Status:
        """Return the status of a task: it is under way once an attempt at it has started, between two attempts too."""
        latest = attempts[-1]
        if CANCELLED_TAG in latest.tags:
            return "cancelled"
        goes_on = latest.status == "FAILURE" and will_retry(latest.tags, self._most)
        status = "queued" if goes_on else _STATUS.get(latest.status, "queued")
        return "running" if status == "queued" and any(run.started_at for run in attempts) else status

    def _next(self, run: status.RunStatusRow) -> str | None:
        return next_attempt_id(run.tags) if run.status == "FAILURE" and will_retry(run.tags, self._most) else None

    def _farthest(self, attempts: Attempts, status: Status) -> SweepPoints:
        """Return how far the attempt at a sweep is that came farthest, so that a later one takes nothing back."""
        return max((self._points(run, status) for run in attempts), key=lambda points: points.done)

    def _points(self, run: status.RunStatusRow, status: Status) -> SweepPoints:
        """Return how far a sweep is."""
        tally = self._heard(run.run_id, SweepProgress)
        planned = tally.planned or int(run.tags.get(POINTS_TAG, 1))
        eta_s = tally.eta_s(time.time()) if status == "running" else None
        return SweepPoints(planned, tally.done, tally.points_per_second, eta_s)

    def _heard(self, run_id: str, kind: type[Heard]) -> Heard:
        """Return what the events of a run add up to, having read those since it was last asked about."""
        with self._lock:
            heard, cursor = self._tallies.pop(run_id, (kind(), None))
            new = self._instance.get_records_for_run(run_id, cursor=cursor, of_type=TYPES)
            for record in new.records:
                heard.observe(record.event_log_entry)
            last = new.records[-1].storage_id if new.records else 0
            if last > OVERLAP:
                cursor = EventLogCursor.from_storage_id(last - OVERLAP).to_string()
            _keep(self._tallies, run_id, (heard, cursor))
            return cast("Heard", heard)

    def _error(self, run_id: str) -> tuple[str, str | None]:
        """Return why a run failed, which does not change any more."""
        with self._lock:
            if run_id not in self._errors:
                _keep(self._errors, run_id, read_failure(self._instance, run_id))
            return self._errors[run_id]


def _keep(kept: dict[str, T], run_id: str, value: T) -> None:
    """Keep a value, and drop the one that nobody has asked about for longest."""
    kept[run_id] = value
    if len(kept) > KEPT:
        del kept[next(iter(kept))]


def _instant(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
