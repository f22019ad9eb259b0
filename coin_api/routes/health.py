"""Routes that describe the service and its health."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST

import coin_pipeline
from coin_api.accept import prefers_page
from coin_api.backup_health import PROBE
from coin_api.deps import BackupHealthDep, HealthDep, SettingsDep, StoreDep
from coin_api.health import Probe, low_space
from coin_api.schemas import Component, Health, Liveness, Readiness, ServiceInfo
from coin_api.threads import without_database
from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import StoreTimeouts, open_store

router = APIRouter(tags=["service"])

PROBE_TIMEOUTS = StoreTimeouts(read_timeout_s=1, attempts=1)
MESSAGE = "Coin Backtesting API"
"""Clients of the legacy platform compare it."""


@router.get("/", response_model=ServiceInfo)
async def root(
    request: Request, accept: Annotated[str, Header(description="A browser is led to the app.")] = ""
) -> ServiceInfo | Response:
    """Describe the service and list every endpoint."""
    if prefers_page(accept):
        return RedirectResponse("/app", headers={"Vary": "Accept"})
    paths: dict[str, dict[str, dict[str, str]]] = request.app.openapi()["paths"]
    endpoints = {
        f"{method.upper()} {path}": operation["description"].splitlines()[0]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    return ServiceInfo(message=MESSAGE, version=coin_pipeline.__version__, endpoints=endpoints)


@router.get("/health/live")
async def live() -> Liveness:  # without a thread: it responds whatever the other requests wait for
    """Report that the API process responds; no other component is asked."""
    return Liveness()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, checks: HealthDep) -> Response:
    """Return the metrics of the API and of the platform in the text format of Prometheus.

    They are served within 2 s whatever else is down: figures that cannot be read are left out.
    """
    problems = await checks.problems()
    body = await without_database(request.app.state.metrics.render)(problems)
    return Response(body, media_type=CONTENT_TYPE_LATEST)


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "A component is unhealthy."}})
async def ready(checks: HealthDep, response: Response) -> Readiness:
    """Report within 2 s whether a backtest could run now; 503 lists the unhealthy components."""
    unhealthy = [name for name, problem in (await checks.problems()).items() if problem and name != PROBE]
    if unhealthy:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status="not ready" if unhealthy else "ready", unhealthy=unhealthy)


@router.get("/health", responses={503: {"model": Health, "description": "A component is unhealthy."}})
async def health(
    settings: SettingsDep, checks: HealthDep, backups: BackupHealthDep, store: StoreDep, response: Response
) -> Health:
    """Report within 2 s whether a backtest could run now; 503 identifies the unhealthy components.

    The components `backup` and `restore_drill` have the ages of the last good backup and of the last proven restore.
    They do not affect the status, since backtests do not need them.
    """
    problems = {"api": None, **await checks.problems()}
    backup_problem = problems.pop(PROBE)
    components = {
        name: Component(healthy=problem is None, detail=problem or "ok") for name, problem in problems.items()
    }
    healthy = all(component.healthy for component in components.values())
    if not healthy:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    components |= backups.components(backup_problem)
    return Health(
        status="healthy" if healthy else "unhealthy",
        timestamp=datetime.now(UTC),
        data_root=str(settings.data_root),
        results_dir=store.uri("results"),
        components=components,
    )


def storage_probes(settings: Settings) -> dict[str, Probe]:
    """Return the probes of the object store and of the disk of DATA_ROOT."""
    store = open_store(settings, PROBE_TIMEOUTS)

    def object_store() -> None:
        store.put("runs/health", b"ok", overwrite=True)
        store.delete("runs/health")

    return {"object_store": object_store, "disk": lambda: low_space(settings.data_root)}
