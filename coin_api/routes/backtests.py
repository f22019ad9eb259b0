"""Submitting backtests, following them, and fetching results."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response, status
from fastapi.concurrency import run_in_threadpool

from coin_api.deps import Deps, Parts
from coin_api.errors import StillRunning
from coin_api.runs import Task
from coin_api.schemas import Accepted, TaskStatus
from coin_pipeline.backtest.results import StoredResult, answered, read_result
from coin_pipeline.backtest.reuse import find_reusable
from coin_pipeline.backtest.runner import require_candles
from coin_pipeline.backtest.spec import BacktestRequest, BacktestSpec, resolve
from coin_pipeline.errors import NotFound, ResultNotFound, RunFailed, class_named

router = APIRouter(prefix="/api/backtests", tags=["backtests"])

POLL_S = 0.05
MAX_WAIT_S = 60
RETRY_AFTER_S = 1
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200, alias="Idempotency-Key")]
Fresh = Annotated[bool, Query(description="Run even where the result of an identical backtest is stored.")]


class TaskWithoutResult(NotFound):
    """A task that is known but has no result (yet)."""

    def __init__(self, task: Task) -> None:
        said = f": {task.error}" if task.error else ""
        super().__init__(f"task {task.task_id} is {task.status}{said}; see /api/backtests/status/{task.task_id}")


@router.post("/run")
async def run(request: BacktestRequest, parts: Deps, *, fresh: Fresh = False) -> Response:
    """Run a backtest and answer with its result: a Dagster run is launched and waited for.

    The stored result of an identical backtest is answered at once, with its run in `reused_from`, unless `fresh`.
    """
    spec = await run_in_threadpool(_known, parts, request)
    stored = None if fresh else await run_in_threadpool(_reusable, parts, spec)
    if stored:
        return _json(answered(stored.document, stored.run_id))
    task = await run_in_threadpool(parts.runs.submit, spec, "results")
    deadline = time.monotonic() + MAX_WAIT_S
    while task.status in {"queued", "running"}:
        if time.monotonic() > deadline:
            raise StillRunning(task.task_id)
        await asyncio.sleep(POLL_S)
        task = await run_in_threadpool(parts.runs.task, task.task_id)
    if task.status != "completed":
        raise RunFailed(task.task_id, class_named(task.error_kind), task.error or f"the run was {task.status}")
    return _json(answered(await run_in_threadpool(read_result, parts.store, task.task_id), None))


@router.post("/run-async", status_code=status.HTTP_202_ACCEPTED)
def run_async(
    request: BacktestRequest, parts: Deps, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Accept a backtest: it is stored before this answers, and runs when Dagster takes it from the queue."""
    task = parts.runs.submit(resolve(request, parts.strategies), "tasks", idempotency_key)
    response.headers["Location"] = f"/api/backtests/status/{task.task_id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return Accepted(task_id=task.task_id, status=task.status, created_at=task.created_at)


@router.get("/status/{task_id}", response_model=TaskStatus)
def task_status(task_id: str, parts: Deps) -> Response:
    """Tell where a task stands; once it is completed, with its result."""
    task = parts.runs.task(task_id)
    status = _status_of(parts, task).model_dump_json().encode()
    if task.status == "completed":
        # The stored document goes in as it is: parsing and writing a large one on every poll would take seconds.
        document = answered(read_result(parts.store, task_id), None)
        status = status.replace(b'"result":null', b'"result":' + document, 1)
    answer = _json(status)
    if task.finished_at is None:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


@router.get("/{run_id}")
def result(run_id: str, parts: Deps) -> Response:
    """Return a stored result byte for byte, old results of the older platform included."""
    try:
        return _json(read_result(parts.store, run_id))
    except ResultNotFound:
        raise TaskWithoutResult(parts.runs.task(run_id)) from None


def _known(parts: Parts, request: BacktestRequest) -> BacktestSpec:
    spec = resolve(request, parts.strategies)
    require_candles(parts.candles, spec)
    return spec


def _reusable(parts: Parts, spec: BacktestSpec) -> StoredResult | None:
    return find_reusable(parts.store, parts.candles, parts.strategies, spec)


def _status_of(parts: Parts, task: Task) -> TaskStatus:
    return TaskStatus(
        task_id=task.task_id,
        status=task.status,
        progress=task.progress,
        result=None,
        error=task.error,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        dagster_url=parts.runs.url(task.task_id),
    )


def _json(document: bytes) -> Response:
    return Response(document, media_type="application/json")
