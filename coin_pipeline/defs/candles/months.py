"""UTC months of stored candles: which months an interval touches, and what is stored in one."""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, clip, total
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, utc

_EPOCH = date(1970, 1, 1)


class StoredMonth(NamedTuple):
    """What is stored of a series in one UTC month.

    Attributes:
        rows: Its candles.
        fetched: How much of the month was fetched, 0 to 1.
        coverage: Candles of what was fetched, as a fraction of those with a trade in each place; 1.0 of nothing.
    """

    rows: int
    fetched: float
    coverage: float


def month_interval(month: date) -> Interval:
    """Return the UTC month that begins on a day, as instants in ns."""
    return _midnight(month), _midnight(_next(month))


def months_touched(interval: Interval) -> list[date]:
    """Return the first days of the UTC months that have an instant of an interval, ns UTC."""
    months, month = [], utc(interval[0]).date().replace(day=1)
    while _midnight(month) < interval[1]:
        months.append(month)
        month = _next(month)
    return months


def stored_month(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, month: date) -> StoredMonth:
    """Return what is stored of one month of a series.

    Raises:
        InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
    """
    begin, end = month_interval(month)
    # A day in Asia/Seoul begins nine hours before that of UTC: the next month's first has the rest of the last.
    series = catalog.load(symbol, timeframe, month, _next(month))
    inside = clip(series.provenance.fetched, (begin, end))
    rows, *of_fetched = (int(np.diff(np.searchsorted(series.bars.time, each))[0]) for each in ((begin, end), *inside))
    places = total(inside) // timeframe.ns
    return StoredMonth(rows, total(inside) / (end - begin), sum(of_fetched) / places if places else 1.0)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> int:
    return (day - _EPOCH).days * DAY_NS
