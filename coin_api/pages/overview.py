"""The first page: whether everything works, what is running, and what was computed and stored last."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from coin_api.backup_health import PROBE
from coin_api.deps import CatalogDep, HealthDep, IndexDep, OrchestratorDep
from coin_api.pages import texts_history, texts_tasks
from coin_api.pages import texts_overview as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.tasks import Orchestrator, Task
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.index_entry import IndexEntry

SHOWN = 5
"""Tasks and results on the page."""
ValueT = TypeVar("ValueT")
router = page_router()


class Candles(NamedTuple):
    """What the inventory contains; `newest` is the open of its last candle, None without candles."""

    markets: int
    series: int
    newest: datetime | None


class Overview(NamedTuple):
    """What the page shows; None where a service that it is read from is down."""

    active: list[Task] | None
    results: list[IndexEntry] | None
    candles: Candles


@router.get("")
async def overview(
    request: Request, checks: HealthDep, orchestrator: OrchestratorDep, index: IndexDep, catalog: CatalogDep
) -> Response:
    """Show the state of the platform, its active tasks and its newest results."""
    problems = {name: problem for name, problem in (await checks.problems()).items() if problem and name != PROBE}
    found = await run_in_threadpool(_read, orchestrator, index, catalog)
    return render_page(
        request,
        "overview.html.j2",
        texts=texts,
        task_texts=texts_tasks,
        history_texts=texts_history,
        problems=problems,
        **found._asdict(),
    )


def _read(orchestrator: Orchestrator, index: ResultIndex, catalog: CandleCatalog) -> Overview:
    series, _ = catalog.inventory()
    return Overview(
        active=_unless_down(lambda: [task for task in orchestrator.newest(SHOWN) if not task.ended]),
        results=_unless_down(lambda: index.page(Filters(kind=None), SHOWN).entries),
        candles=Candles(
            len({part.symbol for part in series}), len(series), max((part.last for part in series), default=None)
        ),
    )


def _unless_down(read: Callable[[], ValueT]) -> ValueT | None:
    """Return what a service has; None if it does not respond, which its problem states."""
    try:
        return read()
    except ServiceUnavailable:
        return None
