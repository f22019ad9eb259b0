"""The HTTP application: routes, middleware and the services that live as long as it does."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from types import FrameType

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import coin_pipeline
from coin_api.backup_health import PROBE, BackupHealth
from coin_api.candles import UPLOAD_GROWTH, UploadReader
from coin_api.dagster_client import DagsterOrchestrator
from coin_api.deps import Timeouts
from coin_api.docs import mount_docs
from coin_api.errors import install_error_handlers
from coin_api.health import HealthChecks
from coin_api.metrics import Metrics, metric_checks
from coin_api.middleware import HeadRequests
from coin_api.openapi import DESCRIPTION, TAGS, VALIDATION_RESPONSE, DocumentedFastAPI, operation_id
from coin_api.pages import reports
from coin_api.pages.mount import mount_pages
from coin_api.pages.routing import answer_error
from coin_api.routes import (
    backtests,
    candles,
    forward,
    forward_drift,
    health,
    positions,
    strategies,
    sweeps,
    tables,
    tasks,
)
from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Orchestrator
from coin_api.watches import OpenWatches, platform_watches
from coin_pipeline.alerts.threads import separate_monitors
from coin_pipeline.auth.access import AccessControl
from coin_pipeline.auth.guard import Guard, describe_route
from coin_pipeline.auth.scopes import API
from coin_pipeline.candles.imports.parser.client import CandleFileParser, ParserLimits
from coin_pipeline.candles.imports.parser.server import shared_server
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import INTERACTIVE, limit_waits
from coin_pipeline.database.url import database_url
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.marks import CandleMarks
from coin_pipeline.presets import PresetStore
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.body_limit import BodyLimit
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.request_log import RequestLog

THREADS = 8
"""Size of the thread pool; more threads compete for the interpreter lock and delay every response."""
POLLED = frozenset(
    (
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/api/backtests/status/{task_id}",
        "/api/sweeps/{task_id}",
        "/api/candles/refresh/{task_id}",
    )
)
"""Routes that the access log contains only if they fail: clients ask them many times a second."""


def create_app(
    settings: Settings,
    connect: Callable[[Settings], Orchestrator] = DagsterOrchestrator,
    timeouts: Timeouts | None = None,
    find_database: Callable[[Settings], str] = database_url,
    open_watches: OpenWatches | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: The settings.
        connect: Opens the orchestrator at start-up.
        timeouts: How long requests wait; defaults to `Timeouts()`.
        find_database: Returns the URL of the database at start-up.
        open_watches: Returns monitors that run as long as the application.
    """
    access = AccessControl(settings, find_database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        with ExitStack() as stack:
            stack.callback(access.close)
            state = app.state
            state.settings = settings
            state.timeouts = timeouts or Timeouts()
            state.orchestrator = stack.enter_context(closing(connect(settings)))
            state.backups = BackupHealth(settings)
            probes = {**state.orchestrator.probes(), **health.storage_probes(settings), PROBE: state.backups.probe}
            state.health = stack.enter_context(closing(HealthChecks(probes)))
            state.statuses = StatusBatcher(state.orchestrator)
            state.subscriptions = TaskSubscriptions(state.statuses)
            state.store = open_store(settings, FAST_TIMEOUTS)
            url = find_database(settings)
            session = stack.enter_context(closing(Session(url, INTERACTIVE)))
            state.index, state.presets = ResultIndex(session), PresetStore(session)
            state.catalog = open_catalog(settings, FAST_TIMEOUTS)
            engine = create_engine(url, INTERACTIVE)
            stack.callback(engine.dispose)
            state.ledger = Ledger(engine, allow_short=settings.coin_allow_short)
            state.marks = CandleMarks(state.catalog.place)
            state.uploads = UploadReader(CandleFileParser(shared_server(), ParserLimits.of(settings, UPLOAD_GROWTH)))
            state.strategies = load_registry(settings.coin_strategy_files)
            stack.enter_context(limit_waits())
            if open_watches:
                own = stack.enter_context(closing(Session(url, INTERACTIVE)))
                checks = metric_checks(state.metrics, settings, own, state.orchestrator, state.backups)
                collectors = separate_monitors(checks, settings)
                for watch in (*open_watches(settings, url, state.orchestrator), *collectors):
                    watch.start()
                    stack.callback(watch.stop)
            stack.enter_context(call_on_shutdown(state.subscriptions.close))
            yield

    app = DocumentedFastAPI(
        title="coin-pipeline",
        version=coin_pipeline.__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        responses=dict(VALIDATION_RESPONSE),
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
    )
    app.state.metrics = Metrics()
    app.add_middleware(BodyLimit, unlimited=candles.UPLOAD)
    app.add_middleware(HeadRequests)
    app.add_middleware(Guard, access=access, scopes=API, describe=describe_route)
    if settings.coin_trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.coin_trusted_proxies))
    install_error_handlers(app, answer_error)
    for module in (
        health,
        strategies,
        candles,
        tasks,
        backtests,
        tables,
        sweeps,
        positions,
        forward,
        forward_drift,
        reports,
    ):
        app.include_router(module.router)
    mount_docs(app)
    mount_pages(app)
    return app


def from_environment() -> ASGIApp:
    """Build the application from the environment, open to web pages of allowed origins only."""
    settings = load_settings()
    app = create_app(settings, open_watches=platform_watches)
    gate = Gate(app, AccessPolicy.from_settings(settings), content_policy="default-src 'none'")
    return RequestLog(gate, app.state.metrics.observe, POLLED)


@contextmanager
def call_on_shutdown(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback` in the event loop on SIGINT or SIGTERM, in addition to the existing signal handlers.

    uvicorn notifies the application only after every connection is closed, so an open stream would delay the shutdown.
    Outside the main thread there are no signals, and this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: handler for number in signals if callable(handler := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        previous[signal.Signals(number)](number, frame)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
