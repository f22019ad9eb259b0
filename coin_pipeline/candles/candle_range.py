"""A range of stored candles, read in pages or chunks of bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, seoul_day, utc
from coin_pipeline.errors import CandlesNotFound

_CHUNK_ROWS = 65_536
"""Approximate number of candles per read."""


@dataclass(frozen=True, slots=True)
class CandleRange:
    """Stored candles of one series on a range of Seoul days, both inclusive.

    Attributes:
        catalog: Where they are stored.
        symbol: The market.
        timeframe: Length of the candles.
        start: First day.
        end: Last day.
        max_candles: Upper bound of the number of candles.
    """

    catalog: CandleCatalog
    symbol: str
    timeframe: Timeframe
    start: date
    end: date
    max_candles: int

    def chunks(self, at: int | None = None) -> Iterator[OHLCV]:
        """Yield the candles in order, starting at the first that opens at or after `at`, ns UTC, if given.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
        """
        begin = day_range(self.start, self.end)[0] if at is None else at
        first, days = max(self.start, seoul_day(utc(begin))), max(1, _CHUNK_ROWS * self.timeframe.ns // DAY_NS)
        while first <= self.end:
            last = min(self.end, first + timedelta(days=days - 1))
            candles = self.catalog.load(self.symbol, self.timeframe, first, last).candles
            candles = candles.rows(slice(int(np.searchsorted(candles.time, begin)), None))
            if len(candles.time):
                yield candles
            first = last + timedelta(days=1)

    def page(self, at: int | None, limit: int) -> tuple[OHLCV, int | None]:
        """Return up to `limit` candles, and the open of the next one, ns UTC, or None if there is none.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
        """
        chunks: list[OHLCV] = []
        for chunk in self.chunks(at):
            chunks.append(chunk)
            if sum(len(candles.time) for candles in chunks) > limit:
                break
        candles = OHLCV.concat(chunks)
        return candles.rows(slice(limit)), int(candles.time[limit]) if len(candles.time) > limit else None


def stored_range(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe, start: date | None, end: date | None
) -> CandleRange:
    """Return the stored candles of a series between two Seoul days; None stands for the first or last stored day.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: As for `CandleCatalog.stored`.
        CandlesNotFound: Nothing is stored in this range.
    """
    stored = catalog.available(symbol, timeframe)
    days = (seoul_day(stored.first), seoul_day(stored.last)) if stored else (date.max, date.min)
    first, last = max(start or date.min, days[0]), min(end or date.max, days[1])
    if stored is None or first > last:
        missing = {parse_symbol(symbol): catalog.describe(symbol, timeframe, start)}
        raise CandlesNotFound(missing, timeframe.name, start, end)
    begin, stop = day_range(first, last)
    max_candles = min(stored.rows, (stop - begin) // timeframe.ns)
    return CandleRange(catalog, stored.symbol, timeframe, first, last, max_candles)
