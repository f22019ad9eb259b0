"""The orchestrator on Dagster: launches, finds and ends runs.

Only the modules dagster_*.py and task_status.py use Dagster here.
"""

import time
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any, cast

import dagster as dg

from coin_api.clients import require_queue_room
from coin_api.dagster_errors import translate_code_server_errors, translate_database_errors
from coin_api.dagster_probes import daemon_heartbeats, dagster_probes
from coin_api.health import Probe
from coin_api.task_status import JOBS, TaskStatusReader
from coin_api.tasks import Job, SubmissionId, Task
from coin_pipeline.database.engine import fail_fast
from coin_pipeline.database.feature_flags import require_async_enabled
from coin_pipeline.database.runs.status import count_queued_runs, count_queued_runs_of, list_submissions
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.run_requests import REQUEST_OPS, JobName, RunSubmission, request_fields
from coin_pipeline.errors import (
    IdempotencyConflict,
    InvalidRunId,
    NotCancellable,
    OrchestratorUnavailable,
    QueueFull,
    ResultNotFound,
    TaskIdConflict,
    coded,
)
from coin_pipeline.idempotency import KeyScope, id_of_key
from coin_pipeline.orchestration._dagster_internals import (
    CodeLocation,
    DagsterRunAlreadyExists,
    ExecutionPlanSnapshot,
    GrpcServerCodeLocation,
    RemoteJob,
    WorkspaceProcessContext,
)
from coin_pipeline.orchestration.code_server import LOCATION, code_server_target
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.retries import ABANDONED_TAGS, is_retry_decided, next_attempt_id
from coin_pipeline.orchestration.run_tags import CLIENT_TAG, LOCAL_TAG, SPEC_TAG
from coin_pipeline.orchestration.storage import engine_of
from coin_pipeline.results.store import check_run_id
from coin_pipeline.settings import Settings

_KEY_SCOPES: dict[JobName, KeyScope] = {"backtest": "tasks", "sweep": "sweeps", "refresh_candles": "candles"}
PING_TIMEOUT_S, DECISION_TIMEOUT_S = 2, 2
_REPOSITORY = "__repository__"


class DagsterOrchestrator:
    """Orchestrator on the Dagster instance of this DATA_ROOT, through the code server named in the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance = open_instance(settings)
        self._workspace = WorkspaceProcessContext(self._instance, code_server_target(settings))
        self._plans: dict[str, ExecutionPlanSnapshot] = {}
        self._lock = Lock()
        fail_fast(engine_of(self._instance))
        url = database_url(settings)
        self._session, self._probe_session = Session(url, INTERACTIVE), Session(url, INTERACTIVE)
        self._statuses = TaskStatusReader(self._instance, self._session, settings.dagster_ui_url)

    def require_async(self) -> None:
        """Raise AsyncDisabled if asynchronous submissions are switched off; a switch takes effect immediately."""
        require_async_enabled(self._settings, self._session)

    def submit(self, submission: RunSubmission, submission_id: SubmissionId) -> Task:
        """Store a run in Dagster's queue; a repeated submission returns the stored run.

        Raises:
            IdempotencyConflict, TaskIdConflict: The key or the id belongs to a different spec.
            QueueFull: The queue or the client's share of it is at its limit.
            OrchestratorUnavailable: The code server or the database does not respond.
        """
        run_id = _run_id(submission.job, submission_id)
        with translate_database_errors():
            try:
                self._require_room(run_id, submission_id.client)
                self._create_run(run_id, submission, submission_id.client)
                self._instance.submit_run(run_id, self._workspace.create_request_context())
            except DagsterRunAlreadyExists:
                self._require_same(run_id, submission, submission_id.idempotency_key)
        return self.task(run_id, cast("Job", submission.job))

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a task of a job.

        Raises:
            ResultNotFound: No run of the job has this id.
        """
        try:
            task = self.tasks([check_run_id(task_id)]).get(task_id)
        except InvalidRunId:
            raise ResultNotFound(task_id) from None
        if task is None or task.job != job:
            raise ResultNotFound(task_id)
        return task

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return the existing tasks among the ids."""
        with translate_database_errors():
            return self._statuses.read(task_ids)

    def request(self, task_id: str) -> dict[str, Any]:
        """Return the fields of the request that a task was submitted with.

        Raises:
            ResultNotFound: No run of these jobs has this id.
        """
        with translate_database_errors():
            run = self._instance.get_run_by_id(task_id)
        if run is None or run.job_name not in REQUEST_OPS:
            raise ResultNotFound(task_id)
        return request_fields(run.job_name, run.run_config)

    def newest(self, limit: int) -> list[Task]:
        """Return the newest tasks of all jobs, those that have not ended first: up to `limit` of each kind."""
        with translate_database_errors():
            task_ids = list_submissions(self._session, JOBS, limit)
            tasks = self._statuses.read(task_ids)
        return sorted((tasks[task_id] for task_id in task_ids if task_id in tasks), key=lambda task: task.ended)

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a queued or running task.

        Raises:
            ResultNotFound: No run of the job has this id.
            NotCancellable: It has already ended, or runs inside a command.
            OrchestratorUnavailable: The code server, which has to end it, does not respond.
        """
        task = self.task(task_id, job)
        if task.ended:
            raise NotCancellable(task_id, coded(f"already_{task.status}"))
        with translate_database_errors():
            self._end(task_id)
        task = self.task(task_id, job)
        if task.status != "cancelled":
            raise NotCancellable(task_id, coded(f"already_{task.status}"))
        return task

    def probes(self) -> dict[str, Probe]:
        """Return the probes of the components that the orchestrator needs."""
        return dagster_probes(self._settings, self._instance, self._probe_session, self._ping_code_server)

    def heartbeats(self) -> Mapping[str, float | None]:
        """Return the time of the latest heartbeat of each daemon; raises DatabaseUnavailable."""
        return daemon_heartbeats(self._instance)

    def close(self) -> None:
        """Stop watching the code server and close the database connections."""
        self._workspace.__exit__(None, None, None)
        self._session.close()
        self._probe_session.close()
        self._instance.dispose()

    def _require_room(self, run_id: str, client: str) -> None:
        """Raise QueueFull if the queue or the client's share is at its limit, unless the run is already stored."""
        waiting = count_queued_runs(self._session)
        try:
            require_queue_room(
                waiting,
                self._settings.coin_max_queued,
                lambda: count_queued_runs_of(self._session, client),
            )
        except QueueFull:
            if not self._instance.has_run(run_id):
                raise

    def _create_run(self, run_id: str, submission: RunSubmission, client: str) -> None:
        location = self._location()
        job = location.get_repository(_REPOSITORY).get_full_job(submission.job)
        self._instance.create_run(
            job_name=submission.job,
            run_id=run_id,
            run_config=submission.config,
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={**job.tags, **submission.tags, CLIENT_TAG: client},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=None,
            execution_plan_snapshot=self._plan(location, job, submission.config),
            job_snapshot=job.job_snapshot,
            parent_job_snapshot=job.parent_job_snapshot,
            asset_selection=None,
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            asset_graph=location.get_repository(_REPOSITORY).asset_graph,
        )

    def _require_same(self, run_id: str, submission: RunSubmission, key: str | None) -> None:
        """Raise a conflict if the stored run has another job or spec; queue it if that has not happened yet."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.job_name != submission.job or run.tags.get(SPEC_TAG) != submission.tags[SPEC_TAG]:
            raise IdempotencyConflict(key, f"task {run_id}") if key else TaskIdConflict(run_id)
        # The first submission may have died between storing and queueing; to queue it twice has no effect.
        if run.status == dg.DagsterRunStatus.NOT_STARTED:
            self._instance.submit_run(run_id, self._workspace.create_request_context())

    def _ping_code_server(self) -> None:
        """Check that the code server responds now; the workspace may hold an older state."""
        location = self._location()
        if isinstance(location, GrpcServerCodeLocation):
            with translate_code_server_errors():
                location.client.get_server_id(timeout=PING_TIMEOUT_S)

    def _location(self) -> CodeLocation:
        entry = self._workspace.create_request_context().get_location_entry(LOCATION)
        if entry is None or entry.code_location is None:
            # The code server may have started meanwhile: ask once more before giving up.
            self._workspace.refresh_code_location(LOCATION)
            entry = self._workspace.create_request_context().get_location_entry(LOCATION)
        if entry is None or entry.code_location is None:
            reason = entry.load_error.message.strip().splitlines()[0] if entry and entry.load_error else "not loaded"
            raise OrchestratorUnavailable(f"the code server does not respond ({reason})")
        return entry.code_location

    def _plan(self, location: CodeLocation, job: RemoteJob, config: dict[str, Any]) -> ExecutionPlanSnapshot:
        """Return the job's plan; it does not depend on the config, so one call per version of the code is enough."""
        with self._lock:
            version = job.identifying_job_snapshot_id
            if version not in self._plans:
                with translate_code_server_errors():
                    plan = location.get_execution_plan(job, config, None, None, self._instance)
                self._plans[version] = plan.execution_plan_snapshot
            return self._plans[version]

    def _end(self, task_id: str) -> None:
        """Remove the latest attempt from the queue, or have its process interrupted."""
        run = self._latest_attempt(task_id)
        if run is None:
            return
        if LOCAL_TAG in run.tags:
            raise NotCancellable(task_id, coded("runs_in_command"))
        if run.status == dg.DagsterRunStatus.FAILURE:
            self._instance.add_run_tags(run.run_id, ABANDONED_TAGS)
            run = self._next_attempt(run.run_id)
            if run is None:
                return
        with translate_code_server_errors():
            interrupted = self._instance.run_coordinator.cancel_run(run.run_id)
        current = self._instance.get_run_by_id(run.run_id)
        if not interrupted and current and current.status == dg.DagsterRunStatus.CANCELING:  # it has no process
            self._instance.report_run_canceled(current)

    def _next_attempt(self, failed_run_id: str) -> dg.DagsterRun | None:
        """Return the attempt after a failed one, if it was created before the cancellation became visible."""
        run = self._instance.get_run_by_id(failed_run_id)
        next_id = next_attempt_id(run.tags) if run else None
        return self._instance.get_run_by_id(next_id) if next_id else None

    def _latest_attempt(self, task_id: str) -> dg.DagsterRun | None:
        """Return the latest attempt at a task; if it has just failed, wait until Dagster has decided on a retry."""
        deadline = time.monotonic() + DECISION_TIMEOUT_S
        while True:
            run = self._instance.get_run_by_id(self._statuses.latest_attempt_id(task_id))
            undecided = run and run.status == dg.DagsterRunStatus.FAILURE and not is_retry_decided(run.tags)
            if not undecided or time.monotonic() > deadline:
                return run
            time.sleep(0.05)


def _run_id(job: JobName, submission_id: SubmissionId) -> str:
    return submission_id.task_id or str(id_of_key(_KEY_SCOPES[job], submission_id.idempotency_key))
