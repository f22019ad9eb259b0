"""Routes to submit backtests, follow them and fetch results."""

import asyncio
from contextlib import ExitStack, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool

from coin_api.deps import (
    CatalogDep,
    ClientDep,
    IndexDep,
    OrchestratorDep,
    StatusesDep,
    StoreDep,
    StrategiesDep,
    SubmissionIdDep,
    SubscriptionsDep,
    Timeouts,
    TimeoutsDep,
)
from coin_api.errors import StillRunning
from coin_api.events import EVENT_RESPONSES, EventStreamsDep
from coin_api.openapi import accepted_response
from coin_api.polling_headers import set_polling_headers
from coin_api.queries import HistoryQuery
from coin_api.responses import (
    FileStream,
    accepted,
    explain_missing_result,
    json_response,
    status_response,
    status_url,
    task_fields,
)
from coin_api.result_schemas import BacktestResult, BacktestStatus, RunResult
from coin_api.routing import StrategyRoute
from coin_api.schemas import Accepted, History, HistoryItem, TaskStatus
from coin_api.task_polling import TaskSubscriptions
from coin_api.tasks import SubmissionId, Task
from coin_api.threads import in_submission_threads
from coin_pipeline.backtest.preflight import require_candles
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.run_requests import backtest_submission
from coin_pipeline.errors import InvalidInput, NoResults, NotFound, Problem, RunFailed, error_class
from coin_pipeline.results.full_document import open_full_document
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.results.reuse import find_reusable, record_reuse
from coin_pipeline.results.store import StoredResult, read_result, with_reused_from
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry

router = APIRouter(prefix="/api/backtests", tags=["backtests"], route_class=StrategyRoute)

Fresh = Annotated[bool, Query(description="Run even if the result of an identical backtest is stored.")]
Full = Annotated[
    bool,
    Query(description="Include every signal and trade, also of a result whose document has only the first and last."),
]
# Results are sent as stored bytes; these models only describe them.
_RESULT: dict[int | str, dict[str, Any]] = {200: {"model": BacktestResult, "description": "The stored document."}}
_RUN_RESULT: dict[int | str, dict[str, Any]] = {200: {"model": RunResult, "description": "The result document."}}


@router.post("/run", responses=_RUN_RESULT)
async def run(
    request: BacktestRequest,
    orchestrator: OrchestratorDep,
    subscriptions: SubscriptionsDep,
    timeouts: TimeoutsDep,
    strategies: StrategiesDep,
    catalog: CatalogDep,
    store: StoreDep,
    index: IndexDep,
    client: ClientDep,
    http: Request,
    *,
    fresh: Fresh = False,
) -> Response:
    """Run a backtest as a Dagster run, wait for it and return its result.

    If the result of an identical backtest is stored, it is returned at once, with its run in `reused_from`, unless
    `fresh` is set.
    """
    spec, stored = await run_in_threadpool(_preflight, request, strategies, catalog, store, index, fresh=fresh)
    if stored:
        return json_response(with_reused_from(stored.document, stored.run_id))
    submission = backtest_submission(spec, "results")
    task = await in_submission_threads(orchestrator.submit)(submission, SubmissionId(client=client))
    http.state.target = task.task_id
    task = await _wait_until_ended(task, subscriptions, timeouts)
    if task.status != "completed":
        raise RunFailed(task.task_id, error_class(task.error_kind), task.error or f"the run was {task.status}")
    return json_response(with_reused_from(await run_in_threadpool(read_result, store, task.task_id), None))


@router.post(
    "/run-async",
    status_code=status.HTTP_202_ACCEPTED,
    responses=accepted_response("backtests", "task_status", task_events="task_id", result="run_id"),
)
@in_submission_threads
def run_async(
    request: BacktestRequest,
    orchestrator: OrchestratorDep,
    strategies: StrategiesDep,
    response: Response,
    submission_id: SubmissionIdDep,
) -> Accepted:
    """Store a backtest durably and queue it.

    A repeated submission, with the same `Idempotency-Key` or `task_id`, returns the existing task.
    """
    orchestrator.require_async()
    spec = resolve(request, strategies.current())
    task = orchestrator.submit(backtest_submission(spec, "tasks"), submission_id)
    set_polling_headers(response, status_url(task))
    return accepted(task)


@router.get("/status/{task_id}", response_model=BacktestStatus)
async def task_status(task_id: str, statuses: StatusesDep, store: StoreDep) -> Response:
    """Return the status of a task, with its result once it is completed."""
    status = _status(await statuses.task(task_id))
    return await status_response(status, lambda: with_reused_from(read_result(store, task_id), None))


@router.get("/status/{task_id}/events", response_class=Response, responses=EVENT_RESPONSES)
async def task_events(task_id: str, events: EventStreamsDep) -> Response:
    """Stream an event for every change of a task until it ends; results are not included."""
    return await events.open(task_id, "backtest", _status)


@router.post("/{task_id}/cancel")
def cancel(task_id: str, orchestrator: OrchestratorDep) -> Accepted:
    """Cancel a queued or running task."""
    return accepted(orchestrator.cancel(task_id))


@router.delete("/tasks/{task_id}")
def delete_task(task_id: str, orchestrator: OrchestratorDep) -> Accepted:
    """Cancel a task, like POST /api/backtests/{task_id}/cancel."""
    return accepted(orchestrator.cancel(task_id))


@router.get("/latest", responses=_RESULT)
def latest(store: StoreDep, index: IndexDep) -> Response:
    """Return the result of the backtest that was answered last, byte for byte."""
    for entry in index.latest():
        with suppress(NotFound):  # the object was removed just now, and its entry will follow
            return json_response(read_result(store, entry.run_id))
    raise NoResults


@router.get("/history")
def history(query: Annotated[HistoryQuery, Query()], index: IndexDep) -> History:
    """List results of backtests, newest first; pages linked by `next_cursor` neither miss nor repeat an item."""
    if query.cursor is not None and query.offset:
        raise InvalidInput([Problem("offset", "cannot be combined with a cursor, which determines the page")])
    page = index.page(query.filters(), query.limit, query.offset, query.cursor)
    return History(
        total=page.total,
        limit=query.limit,
        offset=query.offset,
        items=[_history_item(entry) for entry in page.entries],
        next_cursor=page.next_cursor,
    )


@router.get("/{run_id}/download", responses=_RESULT)
def download(run_id: str, orchestrator: OrchestratorDep, store: StoreDep, *, full: Full = False) -> Response:
    """Return a stored result as a file attachment."""
    response = result(run_id, orchestrator, store, full=full)
    response.headers["Content-Disposition"] = f'attachment; filename="backtest_{run_id}.json"'
    return response


@router.get("/{run_id}", responses=_RESULT)
def result(run_id: str, orchestrator: OrchestratorDep, store: StoreDep, *, full: Full = False) -> Response:
    """Return a stored result byte for byte, including results of the legacy platform."""
    with ExitStack() as source, explain_missing_result(orchestrator, run_id):
        if not full:
            return json_response(read_result(store, run_id))
        return FileStream(source.enter_context(open_full_document(store, run_id)), source, "application/json")


async def _wait_until_ended(task: Task, subscriptions: TaskSubscriptions, timeouts: Timeouts) -> Task:
    """Wait until a run has ended.

    Raises:
        StillRunning: It was queued or ran for too long, or the server is shutting down; the run continues.
    """
    clock = asyncio.get_running_loop()
    submitted_at = clock.time()
    with subscriptions.subscribe(task.task_id) as subscription:
        try:
            async with asyncio.timeout(timeouts.queued_s) as limit:
                while not task.ended:
                    if task.status == "running":
                        limit.reschedule(submitted_at + timeouts.ended_s)
                    update = await subscription.after(task.version)
                    if update is None:
                        break
                    task = update
        except TimeoutError:
            if not limit.expired():
                raise
    if not task.ended:
        raise StillRunning(task)
    return task


def _status(task: Task) -> TaskStatus:
    return TaskStatus(**task_fields(task))


def _preflight(
    request: BacktestRequest,
    strategies: StrategyRegistry,
    catalog: CandleCatalog,
    store: ObjectStore,
    index: ResultIndex,
    *,
    fresh: bool,
) -> tuple[BacktestSpec, StoredResult | None]:
    """Return the spec of a request, and the stored result that answers it, if there is one."""
    registry = strategies.current()
    spec = resolve(request, registry)
    require_candles(catalog, spec)
    stored = None if fresh else find_reusable(store, catalog, registry, spec)
    if stored:
        record_reuse(index, stored.run_id)
    return spec, stored


def _history_item(entry: IndexEntry) -> HistoryItem:
    return HistoryItem.model_validate({**entry._asdict(), "reused_from": entry.run_id if entry.reused else None})
