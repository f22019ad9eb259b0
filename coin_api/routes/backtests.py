"""Submitting backtests, following them, and fetching results."""

import asyncio
import json
import time
from typing import Annotated

from fastapi import APIRouter, Header, Response, status
from fastapi.concurrency import run_in_threadpool

from coin_api.deps import Deps, Parts
from coin_api.errors import StillRunning
from coin_api.runs import Task
from coin_api.schemas import Accepted, TaskStatus
from coin_pipeline.backtest.results import read_result
from coin_pipeline.backtest.runner import require_candles
from coin_pipeline.backtest.spec import BacktestRequest, BacktestSpec, resolve
from coin_pipeline.errors import RunFailed, class_named

router = APIRouter(prefix="/api/backtests", tags=["backtests"])

POLL_S = 0.05
MAX_WAIT_S = 60
RETRY_AFTER_S = 1
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200, alias="Idempotency-Key")]


@router.post("/run")
async def run(request: BacktestRequest, parts: Deps) -> Response:
    """Run a backtest and answer with its result: a Dagster run is launched and waited for."""
    spec = resolve(request, parts.strategies)
    task = await run_in_threadpool(_launch_known, parts, spec)
    deadline = time.monotonic() + MAX_WAIT_S
    while task.status in {"queued", "running"}:
        if time.monotonic() > deadline:
            raise StillRunning(task.task_id)
        await asyncio.sleep(POLL_S)
        task = await run_in_threadpool(parts.runs.task, task.task_id)
    if task.status != "completed":
        raise RunFailed(task.task_id, class_named(task.error_kind), task.error or f"the run was {task.status}")
    return _json(await run_in_threadpool(read_result, parts.store, task.task_id))


@router.post("/run-async", status_code=status.HTTP_202_ACCEPTED)
def run_async(
    request: BacktestRequest, parts: Deps, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Accept a backtest: it is stored before this answers, and runs when Dagster takes it from the queue."""
    task = parts.runs.submit(resolve(request, parts.strategies), "tasks", idempotency_key)
    response.headers["Location"] = f"/api/backtests/status/{task.task_id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return Accepted(task_id=task.task_id, status=task.status, created_at=task.created_at)


@router.get("/status/{task_id}")
def task_status(task_id: str, parts: Deps, response: Response) -> TaskStatus:
    """Tell where a task stands; once it is completed, with its result."""
    task = parts.runs.task(task_id)
    if task.finished_at is None:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return _status_of(parts, task)


@router.get("/{run_id}")
def result(run_id: str, parts: Deps) -> Response:
    """Return a stored result byte for byte, old results of the older platform included."""
    return _json(read_result(parts.store, run_id))


def _launch_known(parts: Parts, spec: BacktestSpec) -> Task:
    require_candles(parts.candles, spec)
    return parts.runs.submit(spec, "results")


def _status_of(parts: Parts, task: Task) -> TaskStatus:
    completed = task.status == "completed"
    return TaskStatus(
        task_id=task.task_id,
        status=task.status,
        progress=task.progress,
        result=json.loads(read_result(parts.store, task.task_id)) if completed else None,
        error=task.error,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        dagster_url=parts.runs.url(task.task_id),
    )


def _json(document: bytes) -> Response:
    return Response(document, media_type="application/json")
