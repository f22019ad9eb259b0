"""What routes share: made once when the app starts, handed in by FastAPI."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from coin_api.tasks import Runs
from coin_pipeline.market.catalog import CandleCatalog
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dataclass(frozen=True, slots=True)
class Parts:
    """The plain objects behind the API."""

    settings: Settings
    runs: Runs
    store: ObjectStore
    candles: CandleCatalog
    strategies: StrategyRegistry


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Deps = Annotated[Parts, Depends(_parts)]
