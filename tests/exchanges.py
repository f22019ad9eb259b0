"""An exchange of the tests' own, without a network: it has a candle wherever nobody says otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from coin_pipeline.candles.exchanges.base import FetchResult
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import CoinError


@dataclass
class FakeExchange:
    """Candles with a price that follows from their time, up to the moment `now`, ns UTC.

    Attributes:
        now: What time it is there.
        name: What it is called.
        limit: How many candles one request brings.
        faults: What is raised for a market.
        quiet: Whether no trade happened in the candle that opens then.
        asked: Each request that was made.
    """

    now: int
    name: str = "upbit"
    limit: int = 200
    faults: dict[str, CoinError] = field(default_factory=dict)
    quiet: Callable[[int], bool] = lambda _open: False
    asked: list[tuple[str, str, int, int]] = field(default_factory=list)
    closed: bool = False

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest finished candle."""
        return self.now - (self.now - timeframe.phase_ns) % timeframe.ns

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the last candles of the interval, as Upbit does."""
        self.asked.append((symbol, timeframe.name, begin, end))
        if symbol in self.faults:
            raise self.faults[symbol]
        begin = max(begin, end - self.limit * timeframe.ns)
        time = np.array([ns for ns in range(begin, end, timeframe.ns) if not self.quiet(ns)], dtype=np.int64)
        price = 100.0 + time // timeframe.ns % 17
        return FetchResult(OHLCV(time, price, price + 1, price - 1, price, np.ones(len(time))), begin, end)

    def close(self) -> None:
        """Remember that it was let go."""
        self.closed = True
