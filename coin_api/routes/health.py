"""What this service is, and whether it can do its work."""

import shutil
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

import coin_pipeline
from coin_api.deps import AppState, Deps
from coin_api.schemas import Component, Health
from coin_pipeline.errors import StorageFailed

router = APIRouter(tags=["service"])

MIN_FREE_BYTES = 200 * 2**20


@router.get("/")
def root(request: Request) -> dict[str, object]:
    """Say what this is and list every endpoint."""
    paths: dict[str, dict[str, dict[str, str]]] = request.app.openapi()["paths"]
    endpoints = {
        f"{method.upper()} {path}": operation["description"].splitlines()[0]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    return {
        "message": "Crypto backtests as recorded Dagster runs",
        "version": coin_pipeline.__version__,
        "endpoints": endpoints,
    }


@router.get("/health")
def health(parts: Deps, response: Response) -> Health:
    """Tell whether a backtest could run now; 503 names what is missing."""
    wrong = {"api": None, **parts.runs.health(), "object_store": _object_store(parts), "disk": _disk(parts)}
    components = {name: Component(healthy=reason is None, detail=reason or "ok") for name, reason in wrong.items()}
    healthy = all(component.healthy for component in components.values())
    if not healthy:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(
        status="healthy" if healthy else "unhealthy",
        timestamp=datetime.now(UTC),
        data_root=str(parts.settings.data_root),
        results_dir=parts.store.uri("results"),
        components=components,
    )


def _object_store(parts: AppState) -> str | None:
    try:
        parts.store.put("runs/health", b"ok", overwrite=True)
        parts.store.delete("runs/health")
    except StorageFailed as error:
        return str(error)
    return None


def _disk(parts: AppState) -> str | None:
    free = shutil.disk_usage(parts.settings.data_root).free
    return None if free >= MIN_FREE_BYTES else f"only {free // 2**20} MiB free under DATA_ROOT"
