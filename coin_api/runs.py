"""Launching runs and asking how they stand: the one module of the API that touches Dagster."""

import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, get_args

import dagster as dg
from dagster._core.errors import DagsterRunAlreadyExists, DagsterUserCodeUnreachableError
from dagster._core.event_api import EventLogCursor
from dagster._core.remote_representation.code_location import CodeLocation, GrpcServerCodeLocation
from dagster._core.remote_representation.external import RemoteJob
from dagster._core.snap import ExecutionPlanSnapshot
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from coin_api.schemas import Status
from coin_api.tasks import Job, Points, Task
from coin_pipeline.backtest.results import Shelf, check_run_id
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.defs.config import config_of
from coin_pipeline.defs.failures import failure_of
from coin_pipeline.defs.instance import LOCATION, open_instance
from coin_pipeline.defs.launches import LOCAL_TAG, POINTS_TAG, SPEC_TAG, Launch, backtest_launch, sweep_launch
from coin_pipeline.defs.sweep_progress import TYPES, Tally
from coin_pipeline.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    InvalidRunId,
    NotCancellable,
    OrchestratorUnavailable,
    QueueFull,
    ResultNotFound,
    TaskIdConflict,
)
from coin_pipeline.settings import Settings
from coin_pipeline.sweeps.spec import SweepRequest, SweepSpec

_KEY_NAMESPACE = uuid.UUID("6f1c1d3e-7f0b-5d0a-9a55-0c0ffee0c011")
PING_S = 2
MAX_TALLIES = 1000
OVERLAP = 100
"""Events that are read once more, since of those stored at the same time a later one may be seen first."""
_ENDED: dict[dg.DagsterEventType, Status] = {
    dg.DagsterEventType.RUN_SUCCESS: "completed",
    dg.DagsterEventType.RUN_FAILURE: "failed",
    dg.DagsterEventType.RUN_CANCELING: "cancelled",
    dg.DagsterEventType.RUN_CANCELED: "cancelled",
}


class DagsterRuns:
    """Runs on the Dagster instance of this DATA_ROOT, through the code server that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._max_queued = settings.coin_max_queued
        self._ui_url = settings.dagster_ui_url.rstrip("/")
        self._instance = open_instance(settings)
        host, port = settings.coin_code_server.rsplit(":", 1)
        target = GrpcServerTarget(host=host, port=int(port), socket=None, location_name=LOCATION)
        self._workspace = WorkspaceProcessContext(self._instance, target)
        self._plans: dict[str, ExecutionPlanSnapshot] = {}
        self._tallies: dict[str, tuple[Tally, str | None]] = {}
        self._lock = Lock()

    def submit(
        self, spec: BacktestSpec, shelf: Shelf, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Store a run in Dagster's queue; the same key, or id, and the same spec find the run that is stored already.

        Raises:
            IdempotencyConflict, TaskIdConflict: the key, or the id, belongs to another spec.
            QueueFull: as many runs wait as may.
            OrchestratorUnavailable: the code server or the database is away.
        """
        return self._submit(backtest_launch(spec, shelf), shelf, idempotency_key, task_id)

    def submit_sweep(
        self,
        request: SweepRequest,
        spec: SweepSpec,
        idempotency_key: str | None = None,
        *,
        task_id: str | None = None,
    ) -> Task:
        """Store a run in Dagster's queue, as `submit` does."""
        return self._submit(sweep_launch(request, spec), "sweeps", idempotency_key, task_id)

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return where a task of a job stands.

        Raises:
            ResultNotFound: no run of the job has this id.
        """
        with _database_errors():
            return self._task_of(self._record(task_id, job))

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return those of the ids that are runs of ours, with where each stands."""
        with _database_errors():
            records = self._instance.get_run_records(dg.RunsFilter(run_ids=list(task_ids)))
            ours = [record for record in records if record.dagster_run.job_name in get_args(Job)]
            return {record.dagster_run.run_id: self._task_of(record) for record in ours}

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a run, queued or under way.

        Raises:
            ResultNotFound: no run of the job has this id.
            NotCancellable: it has ended already, or runs inside a command.
            OrchestratorUnavailable: the code server, which has to end it, is away.
        """
        with _database_errors():
            run = self._record(task_id, job).dagster_run
            if LOCAL_TAG in run.tags and not run.is_finished:
                raise NotCancellable(task_id, "it runs inside a coin command; press Ctrl-C there")
            if not run.is_finished:
                self._end(run)
            task = self.task(task_id, job)
        if run.is_finished or task.status != "cancelled":
            raise NotCancellable(task_id, f"it is {task.status} already")
        return task

    def url(self, task_id: str) -> str:
        """Return the run's page in the Dagster UI."""
        return f"{self._ui_url}/runs/{task_id}"

    def health(self) -> dict[str, str | None]:
        """Return each part of Dagster with what is wrong with it, or None."""
        found: dict[str, str | None] = {"dagster_storage": None, "code_location": None, "daemon": None}
        try:
            with _database_errors():
                daemons = self._instance.get_daemon_statuses()
            ill = sorted(name for name, status in daemons.items() if not status.healthy)
            found["daemon"] = f"no recent heartbeat of {', '.join(ill)}; is 'dagster-daemon run' up?" if ill else None
        except DatabaseUnavailable as error:
            found["dagster_storage"] = str(error)
            found["daemon"] = "its heartbeat cannot be read"
        try:
            self._ask_code_server()
        except OrchestratorUnavailable as error:
            found["code_location"] = str(error)
        return found

    def close(self) -> None:
        """Stop watching the code server and close the database connections."""
        self._workspace.__exit__(None, None, None)
        self._instance.dispose()

    def _submit(self, launch: Launch, kind: str, idempotency_key: str | None, task_id: str | None) -> Task:
        made = uuid.uuid5(_KEY_NAMESPACE, f"{kind}:{idempotency_key}") if idempotency_key else uuid.uuid4()
        run_id = task_id or str(made)
        with _database_errors():
            try:
                self._require_room(run_id)
                self._create(run_id, launch)
                self._instance.submit_run(run_id, self._workspace.create_request_context())
            except DagsterRunAlreadyExists:
                self._check_same(run_id, launch, idempotency_key)
        return self.task(run_id, launch.job)

    def _require_room(self, run_id: str) -> None:
        """Raise QueueFull if as many runs wait as may; one that is stored already needs no room."""
        waiting = self._instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
        if waiting >= self._max_queued and not self._instance.has_run(run_id):
            raise QueueFull(waiting, self._max_queued)

    def _create(self, run_id: str, launch: Launch) -> None:
        location = self._location()
        job = location.get_repository("__repository__").get_full_job(launch.job)
        self._instance.create_run(
            job_name=launch.job,
            run_id=run_id,
            run_config=launch.config,
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={**job.tags, **launch.tags},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=None,
            execution_plan_snapshot=self._plan(location, job, launch.config),
            job_snapshot=job.job_snapshot,
            parent_job_snapshot=job.parent_job_snapshot,
            asset_selection=None,
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            asset_graph=location.get_repository("__repository__").asset_graph,
        )

    def _ask_code_server(self) -> None:
        """See that the code server answers now; what the workspace holds may be older."""
        location = self._location()
        if isinstance(location, GrpcServerCodeLocation):
            try:
                location.client.get_server_id(timeout=PING_S)
            except DagsterUserCodeUnreachableError as error:
                raise OrchestratorUnavailable("the code server does not answer") from error

    def _location(self) -> CodeLocation:
        entry = self._workspace.create_request_context().get_location_entry(LOCATION)
        if entry is None or entry.code_location is None:
            # The code server may have come up since; ask once more before giving up.
            self._workspace.refresh_code_location(LOCATION)
            entry = self._workspace.create_request_context().get_location_entry(LOCATION)
        if entry is None or entry.code_location is None:
            reason = entry.load_error.message.strip().splitlines()[0] if entry and entry.load_error else "not loaded"
            raise OrchestratorUnavailable(f"the code server does not answer ({reason})")
        return entry.code_location

    def _plan(self, location: CodeLocation, job: RemoteJob, config: dict[str, Any]) -> ExecutionPlanSnapshot:
        """Return the job's plan; it does not depend on the config, so one call per version of the code is enough."""
        with self._lock:
            version = job.identifying_job_snapshot_id
            if version not in self._plans:
                try:
                    plan = location.get_execution_plan(job, config, None, None, self._instance)
                except DagsterUserCodeUnreachableError as error:
                    raise OrchestratorUnavailable(f"the code server does not answer ({error})") from error
                self._plans[version] = plan.execution_plan_snapshot
            return self._plans[version]

    def _check_same(self, run_id: str, launch: Launch, key: str | None) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.job_name != launch.job or run.tags.get(SPEC_TAG) != launch.tags[SPEC_TAG]:
            raise IdempotencyConflict(key, run_id) if key else TaskIdConflict(run_id)
        # Its first submission may have died between storing and queueing; queueing twice does nothing.
        if run.status == dg.DagsterRunStatus.NOT_STARTED:
            self._instance.submit_run(run_id, self._workspace.create_request_context())

    def _record(self, task_id: str, job: Job) -> RunRecord:
        try:
            record = self._instance.get_run_record_by_id(check_run_id(task_id))
        except InvalidRunId:
            record = None
        if record is None or record.dagster_run.job_name != job:
            raise ResultNotFound(task_id)
        return record

    def _end(self, run: dg.DagsterRun) -> None:
        """Take a run from the queue, or have its process interrupted; one that starts later ends at once."""
        if run.status != dg.DagsterRunStatus.QUEUED:
            self._ask_code_server()
        try:
            told = self._instance.run_coordinator.cancel_run(run.run_id)
        except DagsterUserCodeUnreachableError as error:
            raise OrchestratorUnavailable(f"the code server does not answer ({error})") from error
        now = self._instance.get_run_by_id(run.run_id)
        if not told and now and not now.is_finished:  # no process to interrupt
            self._instance.report_run_canceled(now)

    def _task_of(self, record: RunRecord) -> Task:
        run = record.dagster_run
        status, ended_at = self._status(run)
        error, kind = self._error(run.run_id) if status == "failed" else (None, None)
        points = self._points(run, status) if run.job_name == "sweep" else None
        share = points.done / points.planned if points else self._progress(run) if record.start_time else 0.0
        return Task(
            task_id=run.run_id,
            status=status,
            progress=1.0 if status == "completed" else min(share, 0.99),
            error=error,
            error_kind=kind,
            created_at=record.create_timestamp.replace(tzinfo=UTC),
            started_at=_instant(record.start_time),
            finished_at=_instant(ended_at),
            points=points,
            job="sweep" if run.job_name == "sweep" else "backtest",
        )

    def _status(self, run: dg.DagsterRun) -> tuple[Status, float | None]:
        """Return the status and when the run ended: the first event that ends it counts, and is never taken back.

        Once told to end, a run is cancelled, even if its process then fails or succeeds.
        """
        for record in self._instance.get_records_for_run(run.run_id, of_type={*_ENDED}, limit=1).records:
            entry = record.event_log_entry
            return _ENDED[entry.get_dagster_event().event_type], entry.timestamp
        return "running" if run.status == dg.DagsterRunStatus.STARTED else "queued", None

    def _progress(self, run: dg.DagsterRun) -> float:
        """Return the share of finished steps: one loads, one simulates each symbol, one persists."""
        steps = len(config_of(run).symbols) + 2
        done = self._instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
        return len(done) / steps

    def _points(self, run: dg.DagsterRun, status: Status) -> Points:
        """Return how far a sweep is, from its events since it was last asked about."""
        with self._lock:
            tally, cursor = self._tallies.pop(run.run_id, (Tally(), None))
            new = self._instance.get_records_for_run(run.run_id, cursor=cursor, of_type=TYPES)
            for record in new.records:
                tally.hear(record.event_log_entry)
            last = new.records[-1].storage_id if new.records else 0
            if last > OVERLAP:
                cursor = EventLogCursor.from_storage_id(last - OVERLAP).to_string()
            self._tallies[run.run_id] = (tally, cursor)
            if len(self._tallies) > MAX_TALLIES:
                del self._tallies[next(iter(self._tallies))]  # the one that nobody has asked about for longest
            planned = tally.planned or int(run.tags.get(POINTS_TAG, 1))
            eta_s = tally.eta_s(time.time()) if status == "running" else None
            return Points(planned, tally.done, tally.points_per_second, eta_s)

    def _error(self, run_id: str) -> tuple[str, str | None]:
        of_type = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        records = self._instance.get_records_for_run(run_id, of_type=of_type).records
        return failure_of([record.event_log_entry.get_dagster_event() for record in records])


@contextmanager
def _database_errors() -> Iterator[None]:
    """Name what dagster-postgres raises, after its own retries, when the server is away."""
    try:
        yield
    except (SQLAlchemyError, DagsterPostgresException) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseUnavailable("the Dagster storage", reason) from error


def _instant(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
