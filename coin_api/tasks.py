"""Tasks and where they stand, and what routes need of an orchestrator; free of any orchestrator's own words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from coin_api.schemas import Status
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.candles.series_progress import SeriesProgress
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.spec import SweepSpec

Job = Literal["backtest", "sweep", "refresh_candles"]
_STAGES: Mapping[Status, int] = {"queued": 0, "running": 1, "completed": 2, "failed": 2, "cancelled": 2}
_STAGE = 2_000_000


@dataclass(frozen=True, slots=True)
class SweepPoints:
    """How far a sweep is: points to evaluate, those that are, how fast, and in how many seconds all will be."""

    planned: int
    done: int
    per_second: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Task:
    """One submission and where it stands; `error_kind` is the class of coin_pipeline.errors that ended it."""

    task_id: str
    status: Status
    progress: float
    error: str | None
    error_kind: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    points: SweepPoints | None = None
    """Of a sweep."""
    series: tuple[SeriesProgress, ...] = ()
    """Of a refresh; none before its run has begun."""
    job: Job = "backtest"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return _STAGES[self.status] == _STAGES["completed"]

    @property
    def mark(self) -> int:
        """How far it has come, as one number that grows with status and progress, whichever process tells it."""
        return _STAGES[self.status] * _STAGE + round(self.progress * 1_000_000)


class Orchestrator(Protocol):
    """What routes need of an orchestrator."""

    def require_async(self) -> None:
        """Raise AsyncDisabled if an operator has switched asynchronous submissions off."""
        ...

    def submit(
        self, spec: BacktestSpec, shelf: ResultArea, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Store a submission so that it will run, and return it.

        Its id is `task_id`, or decided by the key, or made up; a repeated submission finds its task.

        Raises:
            TaskIdConflict, IdempotencyConflict: the id, or the key, belongs to another submission.
            QueueFull: as many runs wait as may, and this one is not stored yet.
        """
        ...

    def submit_sweep(
        self,
        request: SweepRequest,
        spec: SweepSpec,
        idempotency_key: str | None = None,
        *,
        task_id: str | None = None,
    ) -> Task:
        """Store a sweep, as `submit` does; `request` resolves to `spec`."""
        ...

    def submit_refresh(
        self, spec: RefreshSpec, idempotency_key: str | None = None, *, task_id: str | None = None
    ) -> Task:
        """Store a refresh of candles, as `submit` does."""
        ...

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a task of a job, or raise ResultNotFound."""
        ...

    def tasks(self, task_ids: Collection[str]) -> Mapping[str, Task]:
        """Return those of the ids that are tasks, of whichever job, with as few queries as for one."""
        ...

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a task of a job and return it; from then on it is cancelled. Raises ResultNotFound or NotCancellable."""
        ...

    def url(self, task_id: str) -> str:
        """Return where people see the run."""
        ...

    def health(self) -> dict[str, str | None]:
        """Return each part of the orchestrator with what is wrong with it, or None."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
