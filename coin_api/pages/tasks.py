"""The list of tasks, and the page of one with its progress."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from coin_api.deps import OrchestratorDep
from coin_api.pages import texts_tasks as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.responses import status_url
from coin_api.schemas import Status
from coin_api.tasks import Job, Orchestrator, Task
from coin_pipeline.errors import CoinError, ResultNotFound
from coin_pipeline.results.store import is_run_id

LISTED = 50
"""Tasks of each kind, active and ended, in the list."""
CANCEL_URLS: Mapping[Job, str] = {
    "backtest": "/api/backtests/{}/cancel",
    "sweep": "/api/sweeps/{}/cancel",
    "refresh_candles": "/api/candles/refresh/{}/cancel",
}
RESULT_PAGES: Mapping[Job, str] = {
    "backtest": "/app/results/{}",
    "sweep": "/app/sweeps/{}",
    "refresh_candles": "/app/candles",
}
OWN_PAGES: Mapping[Job, str] = {**RESULT_PAGES, "refresh_candles": "/app/tasks/{}"}
"""Pages of a single task, also without a result."""
FORM_PAGES: Mapping[Job, str] = {
    "backtest": "/app/submit?from={}",
    "sweep": "/app/sweeps/new?from={}",
    "refresh_candles": "/app/candles?from={}#fetch",
}
"""Forms that a task fills in, to change and run it again."""
UNFINISHED: tuple[Status, ...] = ("failed", "cancelled")
"""Statuses of tasks that ended without completing: how far they came is not shown."""
router = page_router()


@router.get("/tasks")
def tasks(request: Request, orchestrator: OrchestratorDep) -> Response:
    """Show the newest tasks, those that have not ended first."""
    return render_page(
        request,
        "tasks.html.j2",
        texts=texts,
        tasks=orchestrator.newest(LISTED),
        cancel_urls=CANCEL_URLS,
        result_pages=RESULT_PAGES,
        form_pages=FORM_PAGES,
        unfinished=UNFINISHED,
    )


@router.get("/tasks/{task_id}")
def task(request: Request, task_id: str, orchestrator: OrchestratorDep) -> Response:
    """Show a task of any job, and follow it until it ends."""
    found = find_task(orchestrator, task_id)
    return render_page(request, "task.html.j2", texts=texts, **task_values(found))


def find_task(orchestrator: Orchestrator, task_id: str) -> Task:
    """Return a task of any job.

    Raises:
        ResultNotFound: There is no such task.
    """
    found = orchestrator.tasks([task_id]).get(task_id) if is_run_id(task_id) else None
    if found is None:
        raise ResultNotFound(task_id)
    return found


def dagster_url(orchestrator: Orchestrator, run_id: str) -> str | None:
    """Return the page of a run in Dagster; None if its record has been removed, or Dagster cannot be asked now."""
    try:
        return find_task(orchestrator, run_id).url
    except CoinError:
        return None


def task_values(task: Task) -> dict[str, Any]:
    """Return what the template of a task shows."""
    return {
        "task": task,
        "status_url": status_url(task),
        "cancel_url": CANCEL_URLS[task.job].format(task.task_id),
        "result_page": RESULT_PAGES[task.job].format(task.task_id),
        "form_page": FORM_PAGES[task.job].format(task.task_id),
        "unfinished": UNFINISHED,
    }
