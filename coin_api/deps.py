"""What routes share: made once when the app starts, handed in by FastAPI."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Orchestrator
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the API waits before it says something."""

    queued_s: float = 5
    """For a run that has not begun, before a request that waits for it is sent away to poll."""
    ended_s: float = 60
    """For a run under way, from its submission on."""
    silence_s: float = 15
    """In a stream of events, before a comment shows that it is alive."""


@dataclass(frozen=True, slots=True)
class AppState:
    """The plain objects behind the API."""

    settings: Settings
    runs: Orchestrator
    statuses: StatusBatcher
    watches: TaskSubscriptions
    patience: Timeouts
    store: ObjectStore
    index: ResultIndex
    candles: CandleCatalog
    strategies: StrategyRegistry


async def _parts(request: Request) -> AppState:  # not async, it would take a thread of each request
    parts: AppState = request.app.state.parts
    return parts


Deps = Annotated[AppState, Depends(_parts)]
