"""Hand-written stand-ins for what lies beyond an edge of the process."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from coin_api.runs import Task
from coin_pipeline.backtest.results import Shelf
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.errors import OrchestratorUnavailable, ResultNotFound

NOW = datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC)


QUEUED = Task("", "queued", 0.0, None, None, NOW, None, None)


@dataclass
class FakeRuns:
    """An orchestrator whose runs end as the test says."""

    tasks: dict[str, Task] = field(default_factory=dict)
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

    def task(self, task_id: str) -> Task:
        """Return a submitted task."""
        if task_id not in self.tasks:
            raise ResultNotFound(task_id)
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
