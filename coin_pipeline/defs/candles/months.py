"""UTC months of stored candles: the months of an interval, and the coverage of each."""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, clip, total
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, utc

_EPOCH = date(1970, 1, 1)


class StoredMonth(NamedTuple):
    """Stored candles of a series in one UTC month.

    Attributes:
        rows: Number of candles.
        fetched: Fetched fraction of the month, 0 to 1.
        coverage: Candles in the fetched part, as a fraction of the grid there; 1.0 if nothing was fetched.
    """

    rows: int
    fetched: float
    coverage: float


def month_interval(month: date) -> Interval:
    """Return the UTC month that starts on a day, ns UTC.

    >>> start, end = month_interval(date(2024, 2, 1))
    >>> (end - start) // DAY_NS
    29
    """
    return _midnight(month), _midnight(_next(month))


def months_touched(interval: Interval) -> list[date]:
    """Return the first days of the UTC months that an interval, ns UTC, overlaps."""
    months, month = [], utc(interval[0]).date().replace(day=1)
    while _midnight(month) < interval[1]:
        months.append(month)
        month = _next(month)
    return months


def stored_month(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, month: date) -> StoredMonth:
    """Return the stored candles of one month of a series.

    Raises:
        InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
    """
    begin, end = month_interval(month)
    # Seoul days start nine hours before UTC days: the first day of the next month covers the end of this one.
    loaded = catalog.load(symbol, timeframe, month, _next(month))
    fetched = clip(loaded.provenance.fetched, (begin, end))
    rows, *fetched_rows = (
        int(np.diff(np.searchsorted(loaded.candles.time, interval))[0]) for interval in ((begin, end), *fetched)
    )
    slots = total(fetched) // timeframe.ns
    return StoredMonth(rows, total(fetched) / (end - begin), sum(fetched_rows) / slots if slots else 1.0)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> int:
    return (day - _EPOCH).days * DAY_NS
