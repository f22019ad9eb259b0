"""Launching, ending and finding runs; with standing.py, all that knows Dagster here."""

import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from coin_api.task_status import TaskStatusReader
from coin_api.tasks import Job, Task
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.database.feature_flags import require_async_enabled
from coin_pipeline.database.runs.status import count_queued_runs
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.run_requests import RunSubmission, backtest_submission, refresh_submission, sweep_submission
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
from coin_pipeline.orchestration._dagster_internals import (
    CodeLocation,
    DagsterPostgresException,
    DagsterRunAlreadyExists,
    DagsterUserCodeUnreachableError,
    ExecutionPlanSnapshot,
    GrpcServerCodeLocation,
    GrpcServerTarget,
    RemoteJob,
    WorkspaceProcessContext,
    get_daemon_statuses,
)
from coin_pipeline.orchestration.instance import LOCATION, open_instance
from coin_pipeline.orchestration.launcher import pool_home
from coin_pipeline.orchestration.retries import ABANDONED_TAGS, is_retry_decided, next_attempt_id
from coin_pipeline.orchestration.run_tags import LOCAL_TAG, SPEC_TAG
from coin_pipeline.orchestration.worker_pool.protocol import send_request
from coin_pipeline.results.store import check_run_id
from coin_pipeline.settings import Settings
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.spec import SweepSpec

_KEY_NAMESPACE = uuid.UUID("6f1c1d3e-7f0b-5d0a-9a55-0c0ffee0c011")
PING_S, DECISION_S, SILENCE_S = 2, 2, 60


class DagsterOrchestrator:
    """Runs on the Dagster instance of this DATA_ROOT, through the code server that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._max_queued, self._warm = settings.coin_max_queued, settings.coin_launcher == "warm"
        self._settings = settings
        self._ui_url = settings.dagster_ui_url.rstrip("/")
        self._instance = open_instance(settings)
        host, port = settings.coin_code_server.rsplit(":", 1)
        target = GrpcServerTarget(host=host, port=int(port), socket=None, location_name=LOCATION)
        self._workspace = WorkspaceProcessContext(self._instance, target)
        self._plans: dict[str, ExecutionPlanSnapshot] = {}
        self._lock = Lock()
        self._session = Session(database_url(settings))
        self._standing = TaskStatusReader(self._instance, self._session)

    def require_async(self) -> None:
        """Raise AsyncDisabled if asynchronous submissions are switched off, which every process sees at once."""
        require_async_enabled(self._settings, self._session)

    def submit(
        self, spec: BacktestSpec, shelf: ResultArea, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Store a run in Dagster's queue; the same key, or id, and the same spec find the run that is stored already.

        Raises:
            IdempotencyConflict, TaskIdConflict: the key, or the id, belongs to another spec.
            QueueFull: as many runs wait as may.
            OrchestratorUnavailable: the code server or the database is away.
        """
        return self.task(self._submit(backtest_submission(spec, shelf), shelf, idempotency_key, task_id))

    def submit_sweep(
        self,
        request: SweepRequest,
        spec: SweepSpec,
        idempotency_key: str | None = None,
        *,
        task_id: str | None = None,
    ) -> Task:
        """Store a run in Dagster's queue, as `submit` does."""
        return self.task(self._submit(sweep_submission(request, spec), "sweeps", idempotency_key, task_id), "sweep")

    def submit_refresh(
        self, spec: RefreshSpec, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Store a run in Dagster's queue, as `submit` does."""
        return self.task(self._submit(refresh_submission(spec), "candles", idempotency_key, task_id), "refresh_candles")

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return where a task of a job stands.

        Raises:
            ResultNotFound: no run of the job has this id.
        """
        try:
            task = self.tasks([check_run_id(task_id)]).get(task_id)
        except InvalidRunId:
            raise ResultNotFound(task_id) from None
        if task is None or task.job != job:
            raise ResultNotFound(task_id)
        return task

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return those of the ids that are tasks of ours, with where each stands."""
        with _database_errors():
            return self._standing.of(task_ids)

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a run, queued or under way.

        Raises:
            ResultNotFound: no run of the job has this id.
            NotCancellable: it has ended already, or runs inside a command.
            OrchestratorUnavailable: the code server, which has to end it, is away.
        """
        task = self.task(task_id, job)
        if task.ended:
            raise NotCancellable(task_id, f"it is {task.status} already")
        with _database_errors():
            self._end(task_id)
        task = self.task(task_id, job)
        if task.status != "cancelled":
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
                kinds = self._instance.get_required_daemon_types()
                daemons = get_daemon_statuses(self._instance, kinds, heartbeat_tolerance_seconds=SILENCE_S)
            ill = sorted(name for name, status in daemons.items() if not status.healthy)
            found["daemon"] = f"no recent heartbeat of {', '.join(ill)}; is 'dagster-daemon run' up?" if ill else None
        except DatabaseUnavailable as error:
            found["dagster_storage"] = str(error)
            found["daemon"] = "its heartbeat cannot be read"
        try:
            self._ask_code_server()
        except OrchestratorUnavailable as error:
            found["code_location"] = str(error)
        if self._warm:
            found["worker_pool"] = _pool_illness()
        return found

    def close(self) -> None:
        """Stop watching the code server and close the database connections."""
        self._workspace.__exit__(None, None, None)
        self._session.close()
        self._instance.dispose()

    def _submit(self, launch: RunSubmission, kind: str, idempotency_key: str | None, task_id: str | None) -> str:
        made = uuid.uuid5(_KEY_NAMESPACE, f"{kind}:{idempotency_key}") if idempotency_key else uuid.uuid4()
        run_id = task_id or str(made)
        with _database_errors():
            try:
                self._require_room(run_id)
                self._create(run_id, launch)
                self._instance.submit_run(run_id, self._workspace.create_request_context())
            except DagsterRunAlreadyExists:
                self._check_same(run_id, launch, idempotency_key)
        return run_id

    def _require_room(self, run_id: str) -> None:
        """Raise QueueFull if as many runs wait as may; one that is stored already needs no room."""
        waiting = count_queued_runs(self._session)
        if waiting >= self._max_queued and not self._instance.has_run(run_id):
            raise QueueFull(waiting, self._max_queued)

    def _create(self, run_id: str, launch: RunSubmission) -> None:
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

    def _check_same(self, run_id: str, launch: RunSubmission, key: str | None) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.job_name != launch.job or run.tags.get(SPEC_TAG) != launch.tags[SPEC_TAG]:
            raise IdempotencyConflict(key, run_id) if key else TaskIdConflict(run_id)
        # Its first submission may have died between storing and queueing; queueing twice does nothing.
        if run.status == dg.DagsterRunStatus.NOT_STARTED:
            self._instance.submit_run(run_id, self._workspace.create_request_context())

    def _end(self, task_id: str) -> None:
        """Take the latest attempt from the queue, or have its process interrupted."""
        run = self._decided(task_id)
        if run is None:
            return
        if LOCAL_TAG in run.tags:
            raise NotCancellable(task_id, "it runs inside a coin command; press Ctrl-C there")
        if run.status == dg.DagsterRunStatus.FAILURE:
            self._instance.add_run_tags(run.run_id, ABANDONED_TAGS)
            run = self._begun_meanwhile(run.run_id)
            if run is None:
                return
        try:
            told = self._instance.run_coordinator.cancel_run(run.run_id)
        except DagsterUserCodeUnreachableError as error:
            raise OrchestratorUnavailable(f"the code server does not answer ({error})") from error
        now = self._instance.get_run_by_id(run.run_id)
        if not told and now and now.status == dg.DagsterRunStatus.CANCELING:  # no process to interrupt
            self._instance.report_run_canceled(now)

    def _begun_meanwhile(self, failed: str) -> dg.DagsterRun | None:
        """Return the attempt that somebody made after a failed one before they could see that it was cancelled."""
        run = self._instance.get_run_by_id(failed)
        following = next_attempt_id(run.tags) if run else None
        return self._instance.get_run_by_id(following) if following else None

    def _decided(self, task_id: str) -> dg.DagsterRun | None:
        """Return the latest attempt at a task; if it has just failed, once Dagster has decided whether one follows."""
        deadline = time.monotonic() + DECISION_S
        while True:
            run = self._instance.get_run_by_id(self._standing.latest(task_id))
            undecided = run and run.status == dg.DagsterRunStatus.FAILURE and not is_retry_decided(run.tags)
            if not undecided or time.monotonic() > deadline:
                return run
            time.sleep(0.05)


@contextmanager
def _database_errors() -> Iterator[None]:
    """Name what dagster-postgres raises, after its own retries, when the server is away."""
    try:
        yield
    except (SQLAlchemyError, DagsterPostgresException) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseUnavailable("the Dagster storage", reason) from error


def _pool_illness() -> str | None:
    try:
        send_request(pool_home(), runs=True)
    except OSError as error:
        return f"the worker pool does not answer ({error.strerror or error}); new runs wait until it does"
    return None
