"""Calendar days, weeks, months and years of a time zone: the bars and the trades in each."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from coin_pipeline.candles.timeframe import HOUR_NS, SECOND_NS, day_of, day_range
from coin_pipeline.engine.bars import Ints
from coin_pipeline.report.payload import CalendarPeriod, Period

CALENDAR_PERIODS: tuple[CalendarPeriod, ...] = ("day", "week", "month", "year")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAYS_PER_WEEK, _MONDAY = 7, 3  # the epoch was a Thursday


class Days(NamedTuple):
    """Consecutive calendar days of a time zone; columns of shape (days,), which are not to be changed.

    Attributes:
        number: Days since 1970.
        end: First instant after the day, ns UTC.
    """

    number: Ints
    end: Ints

    @classmethod
    def covering(cls, time: Ints, zone: str) -> "Days":
        """Return the days from the first to the last of ascending times.

        Args:
            time: ns UTC, shape (n,), n > 0.
            zone: IANA name of the time zone.
        """
        first, last = (
            day_of(datetime.fromtimestamp(ns // SECOND_NS, UTC), zone).toordinal() for ns in time[[0, -1]].tolist()
        )
        return _days(first, last, zone)


@lru_cache(maxsize=8)  # the symbols of a backtest have the same days
def _days(first: int, last: int, zone: str) -> Days:
    ends = [day_range(day, day, zone)[1] for day in map(date.fromordinal, range(first, last + 1))]
    return Days(np.arange(first, last + 1) - _EPOCH_ORDINAL, np.array(ends))


def first_days(day: Ints, period: CalendarPeriod) -> Ints:
    """Return the first day of the period that each day is in; a week begins on Monday.

    Args:
        day: Days since 1970, shape (n,).
        period: The period.

    >>> first_days(np.array([0, 4, 31]), "week").tolist(), first_days(np.array([0, 4, 31]), "month").tolist()
    ([-3, 4, 25], [0, 0, 31])
    """
    if period == "day":
        return day
    if period == "week":
        return day - (day + _MONDAY) % _DAYS_PER_WEEK
    unit = "datetime64[M]" if period == "month" else "datetime64[Y]"
    days: Ints = day.astype("datetime64[D]").astype(unit).astype("datetime64[D]").astype(np.int64)
    return days


def period_rows(time: Ints, zone: str) -> Iterator[tuple[Period, Ints]]:
    """Yield each period with the rows of the first bar of those that have bars, shape (periods,).

    Args:
        time: Open of each bar, ns UTC, shape (n,), n > 0.
        zone: IANA name of the time zone of the days; hours are those of UTC.
    """
    yield "hour", np.flatnonzero(np.diff(time // HOUR_NS, prepend=-1))
    days = Days.covering(time, zone)
    first_row = np.append(0, np.searchsorted(time, days.end[:-1]))  # a day without bars has that of the next one
    for period in CALENDAR_PERIODS:
        _, starts = np.unique(first_days(days.number, period), return_index=True)
        yield period, np.unique(first_row[starts])
