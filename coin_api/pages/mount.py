"""Mounting the app: its pages, its static files and what it shares with the reports."""

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from coin_api.pages import (
    candles,
    compare,
    history,
    overview,
    presets,
    results,
    submit,
    sweep_form,
    sweeps,
    tasks,
    trading,
)
from coin_api.pages.routing import page_router
from coin_pipeline.errors import coded
from coin_pipeline.report.assets import CHARTS_FOLDER, STYLE

ROUTERS = (
    overview.router,
    history.router,
    results.router,
    compare.router,
    submit.router,
    presets.router,
    tasks.router,
    sweep_form.router,  # before `sweeps`: /sweeps/new is not the ID of a sweep
    sweeps.router,
    candles.router,
    trading.router,
)
"""Routers of the pages."""
STATIC = Path(__file__).with_name("static")
_frame, _rest = page_router(), page_router()


@_frame.get("/static/style.css")
async def style() -> FileResponse:
    """Return the style that pages share with reports."""
    return FileResponse(STYLE)


@_rest.get("/{path:path}")
async def missing(path: str) -> None:
    """Report a path without a page."""
    raise HTTPException(HTTPStatus.NOT_FOUND, coded("page_not_found", path=f"/app/{path[:100]}"))


def mount_pages(app: FastAPI) -> None:
    """Serve the app under /app."""
    app.include_router(_frame)
    app.mount("/app/static/charts", StaticFiles(directory=CHARTS_FOLDER), name="charts")
    app.mount("/app/static", StaticFiles(directory=STATIC), name="static")
    for router in (*ROUTERS, _rest):
        app.include_router(router)
