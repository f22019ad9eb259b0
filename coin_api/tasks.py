"""Tasks and where they stand, and what routes need of an orchestrator; free of any orchestrator's own words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from coin_api.schemas import Status
from coin_pipeline.backtest.results import Shelf
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.sweeps.spec import SweepRequest, SweepSpec

Job = Literal["backtest", "sweep"]


@dataclass(frozen=True, slots=True)
class Points:
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
    points: Points | None = None
    """Of a sweep."""


class Runs(Protocol):
    """What routes need of an orchestrator."""

    def submit(self, spec: BacktestSpec, shelf: Shelf, idempotency_key: str | None = None) -> Task:
        """Store a submission so that it will run, and return it."""
        ...

    def submit_sweep(self, request: SweepRequest, spec: SweepSpec, idempotency_key: str | None = None) -> Task:
        """Store a submission so that it will run, and return it; `request` resolves to `spec`."""
        ...

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a task of a job, or raise ResultNotFound."""
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
