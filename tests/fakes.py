"""Hand-written stand-ins for what lies beyond an edge of the process."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from coin_api.schemas import Status
from coin_api.tasks import Job, Task
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.errors import (
    AsyncDisabled,
    IdempotencyConflict,
    NotCancellable,
    OrchestratorUnavailable,
    QueueFull,
    ResultNotFound,
    TaskIdConflict,
)
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.spec import SweepSpec

Spec = BacktestSpec | RefreshSpec

NOW = datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC)


QUEUED = Task("", "queued", 0.0, None, None, NOW, None, None)


@dataclass
class FakeOrchestrator:
    """An orchestrator whose runs end as the test says."""

    tasks_by_id: dict[str, Task] = field(default_factory=dict)
    specs: dict[str, Spec] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    submitted: list[tuple[Spec, ResultArea, str | None]] = field(default_factory=list)
    outcome: Task = QUEUED
    then: Callable[[str], None] = lambda _: None
    """What happens to a task after its submission has been answered."""
    max_queued: int = 1000
    reads: int = 0
    down: bool = False
    ill: str | None = None
    switched_off: bool = False
    closed: bool = False

    def require_async(self) -> None:
        """Refuse if the test has switched asynchronous submissions off."""
        if self.switched_off:
            raise AsyncDisabled("the test", "ask it")

    def submit(
        self, spec: BacktestSpec, shelf: ResultArea, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Remember the submission; it is at once where `outcome` says."""
        return self._submit(spec, shelf, idempotency_key, task_id, "backtest")

    def submit_sweep(
        self,
        request: SweepRequest,
        spec: SweepSpec,
        idempotency_key: str | None = None,
        *,
        task_id: str | None = None,
    ) -> Task:
        """Remember the submission, as `submit` does."""
        assert request.strategy == spec.strategy
        return self._submit(spec, "tasks", idempotency_key, task_id, "sweep")

    def submit_refresh(
        self, spec: RefreshSpec, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Remember the submission, as `submit` does."""
        return self._submit(spec, "tasks", idempotency_key, task_id, "refresh_candles")

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a submitted task."""
        task = self.tasks([task_id]).get(task_id)
        if task is None or task.job != job:
            raise ResultNotFound(task_id)
        return task

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Return submitted tasks."""
        self.reads += 1
        self._require_up()
        return {task_id: self.tasks_by_id[task_id] for task_id in task_ids if task_id in self.tasks_by_id}

    def move(self, task_id: str, status: Status, progress: float = 0.0, error: str | None = None) -> None:
        """Have a task stand elsewhere from now on."""
        finished_at = None if status in {"queued", "running"} else NOW
        self.tasks_by_id[task_id] = replace(
            self.tasks_by_id[task_id], status=status, progress=progress, error=error, finished_at=finished_at
        )

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a task that has not ended."""
        task = self.task(task_id, job)
        if task.finished_at:
            raise NotCancellable(task_id, f"it is {task.status} already")
        self.move(task_id, "cancelled")
        return self.tasks_by_id[task_id]

    def url(self, task_id: str) -> str:
        """Return a made-up page."""
        return f"http://ui/runs/{task_id}"

    def health(self) -> dict[str, str | None]:
        """Say that all is well, unless told otherwise."""
        return {"dagster_storage": None, "code_location": None, "daemon": self.ill}

    def close(self) -> None:
        """Remember that the application let go."""
        self.closed = True

    def _submit(self, spec: Spec, shelf: ResultArea, key: str | None, task_id: str | None, job: Job) -> Task:
        self._require_up()
        known = task_id or self.keys.get(f"{job}:{key}")
        if known in self.tasks_by_id:
            if self.specs[known] != spec:
                raise IdempotencyConflict(key, known) if key else TaskIdConflict(known)
            return self.tasks_by_id[known]
        waiting = sum(task.status == "queued" for task in self.tasks_by_id.values())
        if waiting >= self.max_queued:
            raise QueueFull(waiting, self.max_queued)
        self.submitted.append((spec, shelf, key))
        task = replace(self.outcome, task_id=known or str(uuid.uuid4()), job=job)
        self.tasks_by_id[task.task_id], self.specs[task.task_id] = task, spec
        if key:
            self.keys[f"{job}:{key}"] = task.task_id
        self.then(task.task_id)
        return task

    def _require_up(self) -> None:
        if self.down:
            raise OrchestratorUnavailable("the code server does not answer")
