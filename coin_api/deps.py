"""What routes share: made once when the app starts, handed in by FastAPI."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from coin_api.task_polling import Statuses, Watches
from coin_api.tasks import Runs
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the API waits before it says something."""

    queued_s: float = 5
    """For a run that has not begun, before a request that waits for it is sent away to poll."""
    ended_s: float = 60
    """For a run under way, from its submission on."""
    silence_s: float = 15
    """In a stream of events, before a comment shows that it is alive."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The plain objects behind the API."""

    settings: Settings
    runs: Runs
    statuses: Statuses
    watches: Watches
    patience: Patience
    store: ObjectStore
    index: ResultIndex
    candles: CandleCatalog
    strategies: StrategyRegistry


async def _parts(request: Request) -> Parts:  # not async, it would take a thread of each request
    parts: Parts = request.app.state.parts
    return parts


Deps = Annotated[Parts, Depends(_parts)]
