"""Launching runs and asking how they stand: the one module of the API that touches Dagster."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any

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
from coin_pipeline.database.leases import Leases
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.attempts import CANCELLED_TAG, GIVEN_UP, follows, next_attempt
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
    ResultNotFound,
)
from coin_pipeline.settings import Settings
from coin_pipeline.sweeps.spec import SweepRequest, SweepSpec

_KEY_NAMESPACE = uuid.UUID("6f1c1d3e-7f0b-5d0a-9a55-0c0ffee0c011")
PING_S = 2
MAX_TALLIES = 1000
OVERLAP = 100
"""Events that are read once more, since of those stored at the same time a later one may be seen first."""
_STATUS: dict[dg.DagsterRunStatus, Status] = {
    dg.DagsterRunStatus.STARTED: "running",
    dg.DagsterRunStatus.SUCCESS: "completed",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELING: "cancelled",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}
"""What a run's status means for its task; any other means queued. The database keeps a run from leaving its end."""
ENDED = frozenset({"completed", "failed", "cancelled"})


class DagsterRuns:
    """Runs on the Dagster instance of this DATA_ROOT, through the code server that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._ui_url = settings.dagster_ui_url.rstrip("/")
        self._instance = open_instance(settings)
        host, port = settings.coin_code_server.rsplit(":", 1)
        target = GrpcServerTarget(host=host, port=int(port), socket=None, location_name=LOCATION)
        self._workspace = WorkspaceProcessContext(self._instance, target)
        self._plans: dict[str, ExecutionPlanSnapshot] = {}
        self._tallies: dict[str, tuple[Tally, str | None]] = {}
        self._lock = Lock()
        self._leases = Leases(database_url(settings))

    def submit(self, spec: BacktestSpec, shelf: Shelf, idempotency_key: str | None = None) -> Task:
        """Store a run in Dagster's queue; the same key and the same spec find the run that is stored already.

        Raises:
            IdempotencyConflict: the key belongs to another spec.
            OrchestratorUnavailable: the code server or the database is away.
        """
        return self._submit(backtest_launch(spec, shelf), shelf, idempotency_key)

    def submit_sweep(self, request: SweepRequest, spec: SweepSpec, idempotency_key: str | None = None) -> Task:
        """Store a run in Dagster's queue, as `submit` does."""
        return self._submit(sweep_launch(request, spec), "sweeps", idempotency_key)

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return where a task of a job stands.

        Raises:
            ResultNotFound: no run of the job has this id.
        """
        with _database_errors():
            return self._task_of(self._attempts(task_id, job))

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a run, queued or under way.

        Raises:
            ResultNotFound: no run of the job has this id.
            NotCancellable: it has ended already, or runs inside a command.
            OrchestratorUnavailable: the code server, which has to end it, is away.
        """
        with _database_errors():
            run = self._attempts(task_id, job)[-1].dagster_run
            if LOCAL_TAG in run.tags and not run.is_finished:
                raise NotCancellable(task_id, "it runs inside a coin command; press Ctrl-C there")
            if follows(run):
                self._instance.add_run_tags(run.run_id, GIVEN_UP)
            elif not run.is_finished:
                self._end(run)
            task = self.task(task_id, job)
        if (run.is_finished and not follows(run)) or task.status != "cancelled":
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
        self._leases.close()
        self._instance.dispose()

    def _submit(self, launch: Launch, kind: str, idempotency_key: str | None) -> Task:
        run_id = str(uuid.uuid5(_KEY_NAMESPACE, f"{kind}:{idempotency_key}") if idempotency_key else uuid.uuid4())
        with _database_errors():
            try:
                self._create(run_id, launch)
                self._instance.submit_run(run_id, self._workspace.create_request_context())
            except DagsterRunAlreadyExists:
                self._check_same(run_id, launch, idempotency_key or run_id)
        return self.task(run_id, launch.job)

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

    def _check_same(self, run_id: str, launch: Launch, key: str) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.tags.get(SPEC_TAG) != launch.tags[SPEC_TAG]:
            raise IdempotencyConflict(key, run_id)
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

    def _attempts(self, task_id: str, job: Job) -> list[RunRecord]:
        """Return the runs of a task, first to latest: another one follows where a process died."""
        records = [self._record(task_id, job)]
        while later := next_attempt(records[-1].dagster_run):
            record = self._instance.get_run_record_by_id(later)
            if record is None:  # deleted by hand
                break
            records.append(record)
        return records

    def _task_of(self, attempts: Sequence[RunRecord]) -> Task:
        first, latest = attempts[0], attempts[-1]
        status = _status_of(attempts)
        error, kind = self._error(latest.dagster_run.run_id) if status == "failed" else (None, None)
        points = self._points(latest.dagster_run, status) if latest.dagster_run.job_name == "sweep" else None
        share = points.done / points.planned if points else self._progress(attempts, status)
        return Task(
            task_id=first.dagster_run.run_id,
            status=status,
            progress=1.0 if status == "completed" else min(share, 0.99),
            error=error,
            error_kind=kind,
            created_at=first.create_timestamp.replace(tzinfo=UTC),
            started_at=_instant(first.start_time),
            finished_at=_instant(latest.end_time) if status in ENDED else None,
            points=points,
        )

    def _progress(self, attempts: Sequence[RunRecord], status: Status) -> float:
        if status in {"queued", "completed"}:
            return 0.0
        return self._leases.progress([record.dagster_run.run_id for record in attempts])

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


def _status_of(attempts: Sequence[RunRecord]) -> Status:
    """Return the status of a task: it is under way from its first attempt's start on, between two attempts too."""
    latest = attempts[-1].dagster_run
    if CANCELLED_TAG in latest.tags:
        return "cancelled"
    status = "queued" if follows(latest) else _STATUS.get(latest.status, "queued")
    return "running" if status == "queued" and attempts[0].start_time else status


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
