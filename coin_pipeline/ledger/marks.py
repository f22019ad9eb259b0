"""Current prices of markets: those of the caller, or the close of the newest stored candle.

The newest closes are cached with the state of the files that they were read from, so that hundreds of markets are
valued within milliseconds, and a candle counts as soon as it is stored.
"""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Literal, NamedTuple

import numpy as np

from coin_pipeline.candles.symbol import similar_symbol
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, utc
from coin_pipeline.candles.year_files.arrow import to_ohlcv
from coin_pipeline.candles.year_files.parquet import open_row_groups
from coin_pipeline.candles.year_files.places import CandlePlace, YearFile, retry_if_changed
from coin_pipeline.errors import NoPrice
from coin_pipeline.ledger.amounts import MIN_VALUE

MarkSource = Literal["request", "candle", "entry_price"]
"""Where a price is from: the request, the newest stored candle, or, without either, the entries of the position."""
_ROUNDING = Context(prec=150)
_NEVER = 2**63


class Mark(NamedTuple):
    """Price of a market at a time.

    Attributes:
        price: The price, in the quote currency.
        source: Where it is from.
        time: When it was the price, UTC: the close of the candle; None unless it is from a candle.
    """

    price: Decimal
    source: MarkSource
    time: datetime | None = None


class _Close(NamedTuple):
    time_ns: int
    price: float


class _Reading(NamedTuple):
    """The newest close of a market, valid until a file that determines it changes or a stored candle finishes."""

    state: Hashable
    read: Mapping[YearFile, Hashable]
    until_ns: int
    mark: Mark | None


class CandleMarks:
    """The newest stored closes. Thread-safe.

    Args:
        place: Where the candles are.
        now_ns: The current time, ns UTC: candles that close later are not finished.
    """

    def __init__(self, place: CandlePlace, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._place = place
        self._now_ns = now_ns
        self._cache: dict[str, _Reading] = {}
        self._lock = threading.Lock()

    def newest(self, symbol: str) -> Mark | None:
        """Return the close of the newest finished candle of a market, over all its timeframes; None without candles.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A file that may have the newest candle cannot be read.
        """
        with self._lock:
            reading = self._cache.get(symbol)
        if reading is None or self._is_outdated(symbol, reading):
            reading = retry_if_changed(lambda: self._read(symbol))
            with self._lock:
                self._cache[symbol] = reading
        return reading.mark

    def require(self, symbol: str, field: str) -> Mark:
        """Return the newest close of a market, for the price of an order.

        Args:
            symbol: The market.
            field: The field of the order that has no price, for the error message.

        Raises:
            NoPrice: The market has no candles.
            InvalidCandleFile: As for `newest`.
        """
        mark = self.newest(symbol)
        if mark is None:
            raise NoPrice(field, symbol, similar_symbol(symbol, self._place.symbols()))
        return mark

    def _is_outdated(self, symbol: str, reading: _Reading) -> bool:
        return (
            self._now_ns() >= reading.until_ns
            or self._place.state(symbol) != reading.state
            or any(_state(file) != state for file, state in reading.read.items())
        )

    def _read(self, symbol: str) -> _Reading:
        """Return the newest close, and the state, from before it was read, of everything that determines it."""
        state, read = self._place.state(symbol), dict[YearFile, Hashable]()
        place = self._place.listed(symbol)
        closes, until_ns = [], _NEVER
        for timeframe in TIMEFRAMES.values():
            for file in reversed(place.series(symbol, timeframe).files()):
                read[file] = _state(file)
                close, next_ns = self._last_close(file, timeframe)
                until_ns = min(until_ns, next_ns)
                if close:
                    closes.append(close)
                    break
        newest = max(closes, key=lambda close: close.time_ns, default=None)  # the shortest timeframe of equal times
        return _Reading(state, read, until_ns, newest and Mark(price_of(newest.price), "candle", utc(newest.time_ns)))

    def _last_close(self, year_file: YearFile, timeframe: Timeframe) -> tuple[_Close | None, int]:
        """Return the newest finished close of a file, and when its next candle finishes, ns UTC."""
        last_open, next_open = self._now_ns() - timeframe.ns, _NEVER
        with open_row_groups(year_file) as file:
            for group in reversed(file.groups):
                if group.opens and group.opens[0] > last_open:
                    next_open = group.opens[0]
                    continue
                candles = to_ohlcv(file.read(group))
                is_finished = candles.time <= last_open
                next_open = min([next_open, *candles.time[~is_finished].tolist()])
                rows = np.flatnonzero(is_finished & (candles.close > 0) & np.isfinite(candles.close))
                if rows.size:
                    row = rows[np.argmax(candles.time[rows])]
                    close = _Close(int(candles.time[row]) + timeframe.ns, float(candles.close[row]))
                    return close, next_open + timeframe.ns
        return None, next_open + timeframe.ns


def price_of(price: float) -> Decimal:
    """Return a price of a candle as an amount: the shortest decimal that stands for it, to MAX_DECIMALS decimals.

    >>> price_of(50010.1), price_of(1.2345678901234567e-08)
    (Decimal('50010.1'), Decimal('1.2345678901E-8'))
    """
    return Decimal(repr(float(price))).quantize(MIN_VALUE, context=_ROUNDING).normalize(_ROUNDING)


def _state(file: YearFile) -> Hashable:
    """Return what changes when a program writes a file in place; None if it was removed."""
    try:
        return file.state()
    except OSError:
        return None
