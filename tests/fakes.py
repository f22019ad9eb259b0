"""Hand-written fakes for services outside the process."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from coin_api.health import Probe
from coin_api.schemas import Status
from coin_api.tasks import Job, SubmissionId, Task
from coin_pipeline.defs.run_requests import RunSubmission, request_fields
from coin_pipeline.errors import (
    AsyncDisabled,
    IdempotencyConflict,
    NotCancellable,
    OrchestratorUnavailable,
    QueueFull,
    ResultNotFound,
    TaskIdConflict,
)

NOW = datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC)
QUEUED = Task("", "queued", 0.0, None, None, NOW, None, None, "http://ui/runs/")


@dataclass
class FakeOrchestrator:
    """An orchestrator whose runs end as the test specifies.

    Attributes:
        outcome: State of a task right after its submission.
        then: Called with the id of each new task once it is submitted.
        submitted: New submissions with their ids, in order.
    """

    tasks_by_id: dict[str, Task] = field(default_factory=dict)
    submissions_by_id: dict[str, RunSubmission] = field(default_factory=dict)
    ids_by_key: dict[str, str] = field(default_factory=dict)
    submitted: list[tuple[RunSubmission, SubmissionId]] = field(default_factory=list)
    outcome: Task = QUEUED
    then: Callable[[str], None] = lambda _: None
    max_queued: int = 1000
    reads: int = 0
    down: bool = False
    daemon_problem: str | None = None
    async_disabled: bool = False
    closed: bool = False

    def require_async(self) -> None:
        """Raise AsyncDisabled if the test has switched asynchronous submissions off."""
        if self.async_disabled:
            raise AsyncDisabled("the test", "ask it")

    def submit(self, submission: RunSubmission, submission_id: SubmissionId) -> Task:
        """Record the submission and return its task in the state `outcome`."""
        self._require_up()
        key, job = submission_id.idempotency_key, submission.job
        known = submission_id.task_id or self.ids_by_key.get(f"{job}:{key}")
        if known in self.tasks_by_id:
            if self.submissions_by_id[known] != submission:
                raise IdempotencyConflict(key, f"task {known}") if key else TaskIdConflict(known)
            return self.tasks_by_id[known]
        waiting = sum(task.status == "queued" for task in self.tasks_by_id.values())
        if waiting >= self.max_queued:
            raise QueueFull(waiting, self.max_queued)
        self.submitted.append((submission, submission_id))
        task_id = known or str(uuid.uuid4())
        about = {name: submission.tags.get(f"coin/{name}") for name in ("strategy", "timeframe")}
        task = replace(self.outcome, task_id=task_id, job=cast("Job", job), url=f"http://ui/runs/{task_id}", **about)
        self.tasks_by_id[task.task_id], self.submissions_by_id[task.task_id] = task, submission
        if key:
            self.ids_by_key[f"{job}:{key}"] = task.task_id
        self.then(task.task_id)
        return task

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a submitted task."""
        task = self.tasks([task_id]).get(task_id)
        if task is None or task.job != job:
            raise ResultNotFound(task_id)
        return task

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return submitted tasks and count the read."""
        self.reads += 1
        self._require_up()
        return {task_id: self.tasks_by_id[task_id] for task_id in task_ids if task_id in self.tasks_by_id}

    def request(self, task_id: str) -> dict[str, Any]:
        """Return the fields that a task was submitted with."""
        self._require_up()
        if task_id not in self.submissions_by_id:
            raise ResultNotFound(task_id)
        submission = self.submissions_by_id[task_id]
        return request_fields(submission.job, submission.config)

    def newest(self, limit: int) -> list[Task]:
        """Return all tasks, those that have not ended first."""
        self._require_up()
        return sorted([*self.tasks_by_id.values()][::-1][:limit], key=lambda task: task.ended)

    def move(self, task_id: str, status: Status, progress: float = 0.0, error: str | None = None) -> None:
        """Change the state of a task."""
        finished_at = None if status in {"queued", "running"} else NOW
        self.tasks_by_id[task_id] = replace(
            self.tasks_by_id[task_id], status=status, progress=progress, error=error, finished_at=finished_at
        )

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """Cancel a task that has not ended."""
        task = self.task(task_id, job)
        if task.finished_at:
            raise NotCancellable(task_id, f"it is already {task.status}")
        self.move(task_id, "cancelled")
        return self.tasks_by_id[task_id]

    def probes(self) -> dict[str, Probe]:
        """Report every component as healthy, except for the `daemon_problem` of the test."""
        return {"dagster_storage": lambda: None, "code_location": lambda: None, "daemon": lambda: self.daemon_problem}

    def heartbeats(self) -> dict[str, float | None]:
        """Return no heartbeats: there is no daemon."""
        return {}

    def close(self) -> None:
        """Record that the application closed the orchestrator."""
        self.closed = True

    def _require_up(self) -> None:
        if self.down:
            raise OrchestratorUnavailable("the code server does not respond")
