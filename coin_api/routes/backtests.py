"""Submitting backtests, following them, and fetching results."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from fastapi.concurrency import run_in_threadpool

from coin_api.deps import AppState, Deps
from coin_api.errors import StillRunning
from coin_api.events import EVENTS, LastEventId, stream_events
from coin_api.responses import (
    SubmittedAs,
    TaskWithoutResult,
    accepted,
    json_response,
    set_polling_headers,
    status_response,
    task_fields,
)
from coin_api.schemas import Accepted, History, HistoryItem, HistoryQuery, TaskStatus
from coin_api.tasks import Task
from coin_pipeline.backtest.preflight import require_candles
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.errors import (
    InvalidInput,
    NoResults,
    NotFound,
    Problem,
    ResultNotFound,
    RunFailed,
    error_class,
)
from coin_pipeline.results.reuse import find_reusable
from coin_pipeline.results.store import StoredResult, read_result, with_reused_from

router = APIRouter(prefix="/api/backtests", tags=["backtests"])

Fresh = Annotated[bool, Query(description="Run even where the result of an identical backtest is stored.")]


@router.post("/run")
async def run(request: BacktestRequest, parts: Deps, *, fresh: Fresh = False) -> Response:
    """Run a backtest and answer with its result: a Dagster run is launched and waited for.

    The stored result of an identical backtest is answered at once, with its run in `reused_from`, unless `fresh`.
    """
    spec, stored = await run_in_threadpool(_known, parts, request, fresh=fresh)
    if stored:
        return json_response(with_reused_from(stored.document, stored.run_id))
    task = await _waited_for(parts, await run_in_threadpool(parts.runs.submit, spec, "results"))
    if task.status != "completed":
        raise RunFailed(task.task_id, error_class(task.error_kind), task.error or f"the run was {task.status}")
    return json_response(with_reused_from(await run_in_threadpool(read_result, parts.store, task.task_id), None))


@router.post("/run-async", status_code=status.HTTP_202_ACCEPTED)
def run_async(request: BacktestRequest, parts: Deps, response: Response, submitted_as: SubmittedAs) -> Accepted:
    """Accept a backtest: it is stored before this answers, and runs when its turn comes.

    A repeated submission, one with the same `Idempotency-Key` or `task_id`, finds its task.
    """
    parts.runs.require_async()
    spec = resolve(request, parts.strategies.current())
    task = parts.runs.submit(spec, "tasks", submitted_as.idempotency_key, task_id=submitted_as.task_id)
    set_polling_headers(response, _place(task.task_id))
    return accepted(task)


@router.get("/status/{task_id}", response_model=TaskStatus)
async def task_status(task_id: str, parts: Deps) -> Response:
    """Tell where a task stands; once it is completed, with its result."""
    status = _status(parts, await parts.statuses.task(task_id))
    return await status_response(status, lambda: with_reused_from(read_result(parts.store, task_id), None))


@router.get("/status/{task_id}/events", responses=EVENTS)
async def task_events(task_id: str, parts: Deps, last_event_id: LastEventId = None) -> Response:
    """Stream an event whenever a task moves, until it has ended; its result is not among them."""
    return await stream_events(parts, task_id, "backtest", last_event_id, lambda task: _status(parts, task))


@router.post("/{task_id}/cancel")
def cancel(task_id: str, parts: Deps) -> Accepted:
    """End a task, queued or under way; from then on it is cancelled."""
    return accepted(parts.runs.cancel(task_id))


@router.delete("/tasks/{task_id}")
def delete_task(task_id: str, parts: Deps) -> Accepted:
    """End a task, as POST /api/backtests/{task_id}/cancel does."""
    return accepted(parts.runs.cancel(task_id))


@router.get("/latest")
def latest(parts: Deps) -> Response:
    """Return the newest result of a backtest, byte for byte."""
    for entry in parts.index.latest():
        with suppress(NotFound):  # an object that has just been removed, before its entry
            return json_response(read_result(parts.store, entry.run_id))
    raise NoResults


@router.get("/history")
def history(wanted: Annotated[HistoryQuery, Query()], parts: Deps) -> History:
    """List results of backtests, newest first; follow `next_cursor` to miss none and see none twice."""
    if wanted.cursor is not None and wanted.offset:
        raise InvalidInput([Problem("offset", "goes with no cursor, which says where the page begins")])
    page = parts.index.page(wanted.filters(), wanted.limit, wanted.offset, wanted.cursor)
    return History(
        total=page.total,
        limit=wanted.limit,
        offset=wanted.offset,
        items=[HistoryItem.model_validate(entry._asdict()) for entry in page.entries],
        next_cursor=page.next_cursor,
    )


@router.get("/{run_id}/download")
def download(run_id: str, parts: Deps) -> Response:
    """Return a stored result as a file to be saved."""
    answer = result(run_id, parts)
    answer.headers["Content-Disposition"] = f'attachment; filename="backtest_{run_id}.json"'
    return answer


@router.get("/{run_id}")
def result(run_id: str, parts: Deps) -> Response:
    """Return a stored result byte for byte, old results of the older platform included."""
    try:
        return json_response(read_result(parts.store, run_id))
    except ResultNotFound:
        task = parts.runs.task(run_id)
        if task.status == "completed":  # it has expired, and its run is about to go too
            raise
        raise TaskWithoutResult(task, _place(run_id)) from None


async def _waited_for(parts: AppState, task: Task) -> Task:
    """Wait until a run has ended.

    Raises:
        StillRunning: others are before it, it takes long, or the server stops; the run goes on.
    """
    clock = asyncio.get_running_loop()
    submitted_at = clock.time()
    with parts.watches.watch(task.task_id) as watch:
        try:
            async with asyncio.timeout(parts.patience.queued_s) as limit:
                while not task.ended:
                    if task.status == "running":
                        limit.reschedule(submitted_at + parts.patience.ended_s)
                    news = await watch.after(task.mark)
                    if news is None:
                        break
                    task = news
        except TimeoutError:
            if not limit.expired():
                raise
    if not task.ended:
        raise StillRunning(task)
    return task


def _status(parts: AppState, task: Task) -> TaskStatus:
    return TaskStatus(**task_fields(parts, task))


def _known(parts: AppState, request: BacktestRequest, *, fresh: bool) -> tuple[BacktestSpec, StoredResult | None]:
    """Return what is asked for, with its stored result if that may be reused."""
    registry = parts.strategies.current()
    spec = resolve(request, registry)
    require_candles(parts.candles, spec)
    return spec, None if fresh else find_reusable(parts.store, parts.candles, registry, spec)


def _place(task_id: str) -> str:
    return f"/api/backtests/status/{task_id}"
