"""Tasks and the Orchestrator protocol that the routes depend on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from coin_api.health import Probe
from coin_api.schemas import Status
from coin_pipeline.candles.series_progress import SeriesProgress
from coin_pipeline.defs.run_requests import RunSubmission

Job = Literal["backtest", "sweep", "refresh_candles"]
_STAGES: Mapping[Status, int] = {"queued": 0, "running": 1, "completed": 2, "failed": 2, "cancelled": 2}
_STAGE_WIDTH = 2_000_000


@dataclass(frozen=True, slots=True)
class SweepPoints:
    """Progress of a sweep.

    Attributes:
        planned: Points to evaluate.
        done: Points evaluated so far.
        per_second: Points evaluated per second; None if unknown.
        eta_s: Seconds left at this rate; None if unknown.
    """

    planned: int
    done: int
    per_second: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Task:
    """A submission and its current state.

    Attributes:
        task_id: Id of the task, a UUID.
        status: Its status.
        progress: Completed share, 0 to 1.
        error: Why it failed, in one sentence; None otherwise.
        error_kind: Name of the class in coin_pipeline.errors that ended it; None if unknown.
        created_at: When it was submitted, UTC.
        started_at: When its first attempt started; None while queued.
        finished_at: When it ended; None before that.
        url: Page of its run.
        points: Progress of a sweep.
        series: Progress of a refresh, per series; empty before its run has started.
        job: The job that the task runs.
        strategy: The strategy of a backtest or a sweep; None for a refresh.
        timeframe: Its timeframe.
        symbols: Its markets, as the tag of its run has them; None if unknown.
    """

    task_id: str
    status: Status
    progress: float
    error: str | None
    error_kind: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    url: str
    points: SweepPoints | None = None
    series: tuple[SeriesProgress, ...] = ()
    job: Job = "backtest"
    strategy: str | None = None
    timeframe: str | None = None
    symbols: str | None = None

    @property
    def ended(self) -> bool:
        """Whether its status is final."""
        return _STAGES[self.status] == _STAGES["completed"]

    @property
    def version(self) -> int:
        """A number that grows with status and progress, and is the same in every API process."""
        return _STAGES[self.status] * _STAGE_WIDTH + round(self.progress * 1_000_000)


class SubmissionId(NamedTuple):
    """Who submits a task, and what determines its id: a key or an id, but not both; without them it is random."""

    idempotency_key: str | None = None
    task_id: str | None = None
    client: str = "unknown"


class Orchestrator(Protocol):
    """Runs tasks; the routes use it without knowing its implementation."""

    def require_async(self) -> None:
        """Raise AsyncDisabled if an operator has switched asynchronous submissions off."""
        ...

    def submit(self, submission: RunSubmission, submission_id: SubmissionId) -> Task:
        """Store a submission durably, so that it will run, and return its task.

        A repeated submission, with the same key or id, returns the existing task.

        Raises:
            TaskIdConflict, IdempotencyConflict: The id or the key belongs to a different submission.
            QueueFull: The queue or the client's share of it is at its limit, and this submission is new.
            OrchestratorUnavailable: The submission cannot be stored now.
        """
        ...

    def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a task of a job, or raise ResultNotFound."""
        ...

    def tasks(self, task_ids: Collection[str]) -> Mapping[str, Task]:
        """Return the existing tasks among the ids, of any job, with as many queries as for a single one."""
        ...

    def request(self, task_id: str) -> dict[str, Any]:
        """Return the fields of the request that a task was submitted with; raise ResultNotFound."""
        ...

    def newest(self, limit: int) -> Sequence[Task]:
        """Return the newest tasks of all jobs, those that have not ended first: up to `limit` of each kind."""
        ...

    def cancel(self, task_id: str, job: Job = "backtest") -> Task:
        """End a task of a job and return it as cancelled; raise ResultNotFound or NotCancellable."""
        ...

    def probes(self) -> Mapping[str, Probe]:
        """Return the probe of each component of the orchestrator."""
        ...

    def heartbeats(self) -> Mapping[str, float | None]:
        """Return the time of the latest heartbeat of each daemon, None for one without; raises DatabaseUnavailable."""
        ...

    def close(self) -> None:
        """Release connections and threads."""
        ...
