"""The HTTP application, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

import coin_pipeline
from coin_api import errors
from coin_api.dagster_client import DagsterOrchestrator
from coin_api.deps import AppState, Timeouts
from coin_api.middleware import BodyLimit
from coin_api.routes import backtests, candles, health, strategies, sweeps
from coin_api.shutdown import on_stop
from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Orchestrator
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store
from coin_pipeline.strategies.registry import load_registry

THREADS = 8


def create_app(
    settings: Settings,
    connect: Callable[[Settings], Orchestrator] = DagsterOrchestrator,
    patience: Timeouts | None = None,
    session: Callable[[Settings], Session] = lambda settings: Session(database_url(settings)),
) -> FastAPI:
    """Build the application; `connect` and `session` make its orchestrator and its database when it starts."""
    app = FastAPI(
        title="coin-pipeline",
        version=coin_pipeline.__version__,
        lifespan=_lifespan(settings, connect, patience or Timeouts(), session),
        responses=errors.RESPONSES,
    )
    app.add_middleware(BodyLimit)
    errors.install_error_handlers(app)
    for module in (health, strategies, candles, backtests, sweeps):
        app.include_router(module.router)
    return app


def from_environment() -> FastAPI:
    """Build the application from the environment; what `uvicorn --factory` is pointed at."""
    return create_app(load_settings())


def _lifespan(
    settings: Settings,
    connect: Callable[[Settings], Orchestrator],
    patience: Timeouts,
    open_session: Callable[[Settings], Session],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # More threads than these fight for the interpreter: answers of all come later.
        current_default_thread_limiter().total_tokens = THREADS
        runs = connect(settings)
        statuses = StatusBatcher(runs)
        watches = TaskSubscriptions(statuses)
        session = open_session(settings)
        app.state.parts = AppState(
            settings=settings,
            runs=runs,
            statuses=statuses,
            watches=watches,
            patience=patience,
            store=open_store(settings, FAST_TIMEOUTS),
            index=ResultIndex(session),
            candles=CandleCatalog(settings.data_root),
            strategies=load_registry(settings.coin_strategy_files),
        )
        with on_stop(watches.close):
            yield
        session.close()
        runs.close()

    return lifespan
