"""The Exchange protocol, its result type, and the validation shared by all clients."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, format_utc, next_open
from coin_pipeline.candles.validation import check_prices, check_times
from coin_pipeline.errors import ExchangeAnswer, InvalidCandles, coded

UPBIT = "upbit"
"""Name of the exchange that is the default."""
SETTLING_NS = 5 * SECOND_NS
"""A candle counts as closed this long after its end, by the exchange's clock: its last trades may be added late."""


class FetchResult(NamedTuple):
    """Closed candles of a market.

    Attributes:
        candles: The candles in strictly increasing order, all within [begin, end).
        begin: Start of the interval for which `candles` contains every candle of the exchange, ns UTC.
        end: Its end, exclusive, ns UTC.
    """

    candles: OHLCV
    begin: int
    end: int


class Exchange(Protocol):
    """A source of candles."""

    @property
    def name(self) -> str:
        """Name of the exchange, stored as the source of a series."""

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is certainly closed, by the exchange's clock, ns UTC."""

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the candles of one request within [begin, end), ns UTC on the grid; they start or end there.

        Raises:
            MarketUnknown: The exchange does not have the market.
            ExchangeUnavailable: The exchange does not respond, or rejects requests for too long.
            ExchangeAnswer: The exchange returned something other than the requested candles.
        """

    def close(self) -> None:
        """Close the connections."""


def last_closed_at(now: int, timeframe: Timeframe) -> int:
    """Return the close of the newest candle that is closed at `now`, both ns UTC."""
    return next_open(now - SETTLING_NS + 1, timeframe.phase_ns, timeframe) - timeframe.ns


def not_fetched_hint(exchange: str, timeframe: Timeframe) -> str:
    """Return why an exchange cannot be asked for candles of a length, and what to fetch instead, for an error."""
    instead = f"; fetch {timeframe.base}, from which {timeframe} is resampled" if timeframe.base else ""
    return f" of {exchange}{instead}"


def require_valid(exchange: str, request: str, candles: OHLCV) -> None:
    """Reject a response with candles that are out of order or impossible.

    Args:
        exchange: Name of the exchange.
        request: Description of the request for the error message.
        candles: The candles of the response.

    Raises:
        ExchangeAnswer: The message contains the first such candle and their number.
    """
    try:
        check_times(coded("its_response"), candles.time, _nth_candle)
        check_prices(coded("its_response"), candles, _nth_candle)
    except InvalidCandles as error:
        raise ExchangeAnswer(
            exchange, request, coded("impossible_candles", reason=error.problems[0].message)
        ) from error


def require_grid(exchange: str, request: str, time: npt.NDArray[np.int64], grid: npt.NDArray[np.int64]) -> None:
    """Reject a response with candles off the grid.

    Args:
        exchange: Name of the exchange.
        request: Description of the request for the error message.
        time: Opens of the candles, ns UTC, shape (n,).
        grid: The nearest valid open of each, ns UTC, shape (n,).

    Raises:
        ExchangeAnswer: The message contains the first such candle.
    """
    off = time != grid
    if off.any():
        first = format_utc(time[off.argmax()])
        raise ExchangeAnswer(exchange, request, coded("candle_off_grid", time=first))


def _nth_candle(row: int) -> str:
    return coded("candle_number", number=row + 1)
