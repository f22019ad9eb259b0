"""What one request to an exchange brings: candles that are checked, and for which time they are all there are."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, next_open, utc
from coin_pipeline.candles.validation import check_prices, check_times
from coin_pipeline.errors import ExchangeAnswer, InvalidCandles

SETTLING_NS = 5 * SECOND_NS
"""A candle is finished so long after its end, by the exchange's clock: its last trades may be added late."""


class FetchResult(NamedTuple):
    """Finished candles of a market.

    Attributes:
        columns: The candles, in strictly increasing order, all of them in [begin, end).
        begin: From here on every candle that the exchange has is among them, ns UTC.
        end: Up to here, exclusive, ns UTC.
    """

    columns: OHLCV
    begin: int
    end: int


class Exchange(Protocol):
    """Where candles come from."""

    @property
    def name(self) -> str:
        """What the source of a series is called."""

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is surely finished, by the exchange's clock, ns UTC."""

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return what one request brings of [begin, end), ns UTC on the grid: it touches `begin` or `end`.

        Raises:
            MarketUnknown: The exchange has no such market.
            ExchangeUnavailable: It does not answer, or refuses for longer than is waited.
            ExchangeAnswer: It answered something else than such candles.
        """

    def close(self) -> None:
        """Close the connections."""


def last_closed_at(now: int, timeframe: Timeframe) -> int:
    """Return the close of the newest candle that is finished at `now`, both ns UTC."""
    return next_open(now - SETTLING_NS + 1, timeframe.phase_ns, timeframe) - timeframe.ns


def require_valid(exchange: str, asked: str, columns: OHLCV) -> None:
    """Refuse an answer with candles that are out of order, or that no market can have produced.

    Raises:
        ExchangeAnswer: It says which one, and of how many.
    """
    try:
        check_times("its answer", columns.time, lambda row: f"candle {row + 1}")
        check_prices("its answer", columns, lambda row: f"candle {row + 1}")
    except InvalidCandles as error:
        raise ExchangeAnswer(exchange, asked, f"impossible candles ({error.problems[0].message})") from error


def require_grid(exchange: str, asked: str, time: npt.NDArray[np.int64], grid: npt.NDArray[np.int64]) -> None:
    """Refuse opens that are not where `grid` has the nearest one.

    Raises:
        ExchangeAnswer: It names the first of them.
    """
    off = time != grid
    if off.any():
        opened = utc(time[off.argmax()])
        raise ExchangeAnswer(
            exchange, asked, f"a candle of {opened:%Y-%m-%dT%H:%M:%SZ}, when none of that length opens"
        )
