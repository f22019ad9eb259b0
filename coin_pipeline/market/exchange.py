"""What is asked of an exchange, whichever it is."""

from typing import Protocol

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.market.batch import Batch
from coin_pipeline.market.timeframe import Timeframe
from coin_pipeline.settings import Settings

UPBIT = "upbit"


class Exchange(Protocol):
    """Where candles come from."""

    @property
    def name(self) -> str:
        """What the source of a series is called."""
        ...

    def finished(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is surely finished, ns UTC, by the exchange's clock."""
        ...

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> Batch:
        """Return what one request brings of [begin, end): it touches one of its ends."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def open_exchange(name: str, settings: Settings) -> Exchange:
    """Return an exchange by name."""
    raise InvalidInput([Problem("exchange", f"{name!r} is not there, {settings.environment}")])
