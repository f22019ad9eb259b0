"""Candles by UTC month: which months an interval touches, and what is stored of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, seoul_day, utc
from coin_pipeline.errors import CandlesNotFound

_PIECE = 65_536
"""Candles that are read at a time, about."""


@dataclass(frozen=True, slots=True)
class CandleRange:
    """Stored candles of one series in a range of Seoul days, both included.

    Attributes:
        catalog: Where they lie.
        symbol: The market.
        timeframe: Their length.
        start: First day.
        end: Last day.
        most: How many candles there are at most.
    """

    catalog: CandleCatalog
    symbol: str
    timeframe: Timeframe
    start: date
    end: date
    max_candles: int

    def chunks(self, at: int | None = None) -> Iterator[OHLCV]:
        """Yield the candles in order, from the one that opens at an instant on, ns UTC, or from the first.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
        """
        begin = day_range(self.start, self.end)[0] if at is None else at
        first, days = max(self.start, seoul_day(utc(begin))), max(1, _PIECE * self.timeframe.ns // DAY_NS)
        while first <= self.end:
            last = min(self.end, first + timedelta(days=days - 1))
            bars = self.catalog.read(self.symbol, self.timeframe, first, last)
            columns = OHLCV(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
            here = columns.rows(slice(int(np.searchsorted(bars.time, begin)), None))
            if len(here.time):
                yield here
            first = last + timedelta(days=1)

    def page(self, at: int | None, limit: int) -> tuple[OHLCV, int | None]:
        """Return so many candles, and the open of the one behind them, ns UTC, if there is one.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
        """
        found: list[OHLCV] = []
        for piece in self.chunks(at):
            found.append(piece)
            if sum(len(each.time) for each in found) > limit:
                break
        if not found:
            return _NONE, None
        columns = OHLCV(*map(np.concatenate, zip(*found, strict=True)))
        return columns.rows(slice(limit)), int(columns.time[limit]) if len(columns.time) > limit else None


def stored_range(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe, start: date | None, end: date | None
) -> CandleRange:
    """Return what is stored of a series from one Seoul day to another; without a day, to where it begins or ends.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: As for `CandleCatalog.stored`.
        CandlesNotFound: Nothing is stored in this range.
    """
    stored = next(iter(catalog.stored(symbol, timeframe)), None)
    days = (seoul_day(stored.first), seoul_day(stored.last)) if stored else (date.max, date.min)
    first, last = max(start or date.min, days[0]), min(end or date.max, days[1])
    if stored is None or first > last:
        wanted = (start or "the beginning", end or "the end")
        raise CandlesNotFound({parse_symbol(symbol): catalog.describe(symbol)}, timeframe.name, *wanted)
    begin, stop = day_range(first, last)
    most = min(stored.rows, (stop - begin) // timeframe.ns)
    return CandleRange(catalog, stored.symbol, timeframe, first, last, most)


_NONE = OHLCV(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(5)))
