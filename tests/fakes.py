"""Hand-written stand-ins for what lies beyond an edge of the process."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from coin_api.tasks import Job, Task
from coin_pipeline.backtest.results import Shelf
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.errors import NotCancellable, OrchestratorUnavailable, ResultNotFound
from coin_pipeline.sweeps.spec import SweepRequest, SweepSpec

NOW = datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC)


QUEUED = Task("", "queued", 0.0, None, None, NOW, None, None)


@dataclass
class FakeRuns:
    """An orchestrator whose runs end as the test says."""

    tasks: dict[str, Task] = field(default_factory=dict)
    sweeps: set[str] = field(default_factory=set)
    submitted: list[tuple[BacktestSpec, Shelf, str | None]] = field(default_factory=list)
    outcome: Task = QUEUED
    down: bool = False
    ill: str | None = None
    closed: bool = False

    def submit(self, spec: BacktestSpec, shelf: Shelf, idempotency_key: str | None = None) -> Task:
        """Remember the submission; it is at once where `outcome` says."""
        if self.down:
            raise OrchestratorUnavailable("the code server does not answer")
        self.submitted.append((spec, shelf, idempotency_key))
        task = replace(self.outcome, task_id=str(uuid.uuid4()))
        self.tasks[task.task_id] = task
        return task

    def submit_sweep(self, request: SweepRequest, spec: SweepSpec, idempotency_key: str | None = None) -> Task:
        """Remember the submission, as `submit` does."""
        assert request.strategy == spec.strategy
        task = self.submit(spec, "tasks", idempotency_key)
        self.sweeps.add(task.task_id)
        return task

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a submitted task."""
        if task_id not in self.tasks or (job == "sweep") != (task_id in self.sweeps):
            raise ResultNotFound(task_id)
        return self.tasks[task_id]

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a task that has not ended."""
        task = self.task(task_id, job)
        if task.finished_at:
            raise NotCancellable(task_id, f"it is {task.status} already")
        self.tasks[task_id] = replace(task, status="cancelled", finished_at=NOW)
        return self.tasks[task_id]

    def url(self, task_id: str) -> str:
        """Return a made-up page."""
        return f"http://ui/runs/{task_id}"

    def health(self) -> dict[str, str | None]:
        """Say that all is well, unless told otherwise."""
        return {"dagster_storage": None, "code_location": None, "daemon": self.ill}

    def close(self) -> None:
        """Remember that the application let go."""
        self.closed = True
