"""The list of sweeps, and the page of one: its progress while it runs, then what it found."""

import json
from contextlib import suppress
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from jinja2.exceptions import UndefinedError
from markupsafe import Markup

from coin_api.deps import IndexDep, OrchestratorDep, StoreDep
from coin_api.pages import texts_sweeps as texts
from coin_api.pages import texts_tasks
from coin_api.pages.compare import LEAST, MOST
from coin_api.pages.history import PAGE_SIZE
from coin_api.pages.language import language_of
from coin_api.pages.prefill import request_of
from coin_api.pages.rendering import render_page
from coin_api.pages.result_errors import result_error_page
from coin_api.pages.routing import page_router
from coin_api.pages.tasks import LISTED, OWN_PAGES, dagster_url, find_task, task_values
from coin_api.tasks import Orchestrator
from coin_pipeline.backtest.labels import sweep_columns
from coin_pipeline.errors import InvalidRunId, ObjectCorrupt, ResultNotFound
from coin_pipeline.languages import Language
from coin_pipeline.report.sweep_page import fixed_options, heat_map_figures
from coin_pipeline.report.warning_list import warning_list
from coin_pipeline.results.index import Filters
from coin_pipeline.results.store import read_result, read_task_file, require_structure
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.sweeps.replay import is_sweep
from coin_pipeline.sweeps.result import EQUITY_FILES

Json = dict[str, Any]
router = page_router()


@router.get("/sweeps")
def sweeps(
    request: Request,
    index: IndexDep,
    orchestrator: OrchestratorDep,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Show the sweeps that have not ended, and those that are stored, newest first."""
    return render_page(
        request,
        "sweeps.html.j2",
        texts=texts,
        statuses=texts_tasks.STATUSES,
        active=[task for task in orchestrator.newest(LISTED) if task.job == "sweep" and not task.ended],
        page=index.page(Filters(kind="sweep"), PAGE_SIZE, after=after),
        after=after,
    )


@router.get("/sweeps/{task_id}")
def sweep(request: Request, task_id: str, store: StoreDep, orchestrator: OrchestratorDep) -> Response:
    """Show a sweep: its result, or its progress and why it has none; other tasks have pages of their own."""
    try:
        document: Json = json.loads(read_result(store, task_id))
        if not is_sweep(document):
            return RedirectResponse(OWN_PAGES["backtest"].format(task_id))
        with require_structure(task_id, UndefinedError):
            return _result_page(request, document, store, dagster_url(orchestrator, task_id))
    except (InvalidRunId, ObjectCorrupt) as error:
        return result_error_page(request, task_id, error)
    except ResultNotFound as error:
        return _task_page(request, task_id, orchestrator, error)


def _task_page(request: Request, task_id: str, orchestrator: Orchestrator, missing: ResultNotFound) -> Response:
    """Return the page of a sweep without a result, or a redirect to that of another task."""
    try:
        task = find_task(orchestrator, task_id)
    except ResultNotFound:
        return result_error_page(request, task_id, missing)
    if task.job != "sweep":
        return RedirectResponse(OWN_PAGES[task.job].format(task_id))
    if task.status == "completed":  # it has expired
        return result_error_page(request, task_id, missing)
    return render_page(request, "task.html.j2", texts=texts_tasks, **task_values(task))


def _point_page(task_id: str, number: int) -> str:
    """Return the address of the form of a backtest that is filled in with a point."""
    return f"/app/submit?{urlencode({'from': task_id, 'point': number})}"


def _result_page(request: Request, document: Json, store: ObjectStore, run_url: str | None) -> Response:
    link = partial(_point_page, document["run_id"])
    figures = heat_map_figures(document, language_of(request), link).values()
    return render_page(
        request,
        "sweep.html.j2",
        texts=texts,
        document=document,
        run_url=run_url,
        warnings=warning_list(document, language_of(request)),
        settings=fixed_options(document, language_of(request)),
        columns=sweep_columns(document["objective"]),
        heat_maps=[Markup(figure) for figure in figures],  # noqa: S704 -- escaped by the figure
        equity=_equity(store, document["run_id"], language_of(request)),
        requests={row["point"]: request_of(document, row["values"]) for row in document["top"]},
        compared=(LEAST, MOST),
    )


def _equity(store: ObjectStore, task_id: str, language: Language) -> Markup | None:
    """Return the picture of the best point's equity, of an earlier sweep in English; None if it was stored without."""
    for name in dict.fromkeys((EQUITY_FILES[language], EQUITY_FILES["en"])):
        with suppress(ResultNotFound):
            return Markup(read_task_file(store, task_id, name).decode())  # noqa: S704 -- escaped by the figure
    return None
