"""An exchange without a network: it has a candle for every time unless configured otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from coin_pipeline.candles.exchanges.base import FetchResult
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import CoinError


@dataclass
class FakeExchange:
    """Candles with a price derived from their time, up to `now`.

    Attributes:
        now: Time of the exchange, ns UTC.
        name: Its name.
        limit: Candles per request.
        faults: Errors to raise, by market.
        quiet: Returns whether the candle with this open, ns UTC, has no trades.
        asked: Requests so far: market, timeframe, begin and end.
        closed: Whether the connection was closed.
    """

    now: int
    name: str = "upbit"
    limit: int = 200
    faults: dict[str, CoinError] = field(default_factory=dict)
    quiet: Callable[[int], bool] = lambda _open: False
    asked: list[tuple[str, str, int, int]] = field(default_factory=list)
    closed: bool = False

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest closed candle."""
        return self.now - (self.now - timeframe.phase_ns) % timeframe.ns

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the last candles of the interval, like Upbit."""
        self.asked.append((symbol, timeframe.name, begin, end))
        if symbol in self.faults:
            raise self.faults[symbol]
        begin = max(begin, end - self.limit * timeframe.ns)
        time = np.array([ns for ns in range(begin, end, timeframe.ns) if not self.quiet(ns)], dtype=np.int64)
        price = 100.0 + time // timeframe.ns % 17
        return FetchResult(OHLCV(time, price, price + 1, price - 1, price, np.ones(len(time))), begin, end)

    def close(self) -> None:
        """Record the call."""
        self.closed = True
