"""Routes that describe the service and its health."""

import shutil
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response

import coin_pipeline
from coin_api.deps import OrchestratorDep, SettingsDep, StoreDep
from coin_api.schemas import Component, Health, ServiceInfo
from coin_pipeline.errors import StorageFailed
from coin_pipeline.storage.base import ObjectStore

router = APIRouter(tags=["service"])

MIN_FREE_BYTES = 200 * 2**20
MESSAGE = "Coin Backtesting API"
"""Clients of the legacy platform compare it."""


@router.get("/")
def root(request: Request) -> ServiceInfo:
    """Describe the service and list every endpoint."""
    paths: dict[str, dict[str, dict[str, str]]] = request.app.openapi()["paths"]
    endpoints = {
        f"{method.upper()} {path}": operation["description"].splitlines()[0]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    return ServiceInfo(message=MESSAGE, version=coin_pipeline.__version__, endpoints=endpoints)


@router.get("/health", responses={503: {"model": Health, "description": "A component is unhealthy."}})
def health(settings: SettingsDep, orchestrator: OrchestratorDep, store: StoreDep, response: Response) -> Health:
    """Report whether a backtest could run now; 503 identifies the unhealthy components."""
    problems = {
        "api": None,
        **orchestrator.health(),
        "object_store": _object_store_problem(store),
        "disk": _disk_problem(settings.data_root),
    }
    components = {
        name: Component(healthy=problem is None, detail=problem or "ok") for name, problem in problems.items()
    }
    healthy = all(component.healthy for component in components.values())
    if not healthy:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(
        status="healthy" if healthy else "unhealthy",
        timestamp=datetime.now(UTC),
        data_root=str(settings.data_root),
        results_dir=store.uri("results"),
        components=components,
    )


def _object_store_problem(store: ObjectStore) -> str | None:
    try:
        store.put("runs/health", b"ok", overwrite=True)
        store.delete("runs/health")
    except StorageFailed as error:
        return str(error)
    return None


def _disk_problem(data_root: Path) -> str | None:
    free = shutil.disk_usage(data_root).free
    return None if free >= MIN_FREE_BYTES else f"only {free // 2**20} MiB free under DATA_ROOT"
