"""Timeframes, and conversions between calendar days, datetimes and instants in ns since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np

from coin_pipeline.engine.bars import YEAR_NS
from coin_pipeline.errors import InvalidTimeframe

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

SEOUL_OFFSET_NS = 9 * HOUR_NS
"""Seoul has been nine hours ahead of UTC, without daylight saving time, since 1988: before any coin had a price."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Timeframe:
    """Length of a candle.

    Attributes:
        name: Its name in requests, `1d`.
        ns: Length in ns.
        phase_ns: Open of the first candle after the epoch, in ns: 0, or Monday for weeks.
    """

    name: str
    ns: int
    phase_ns: int = 0

    @property
    def folder(self) -> str:
        """Name of the folder of such candles, `1D`."""
        return self.name.upper()

    @property
    def bars_per_year(self) -> float:
        """Candles in a year of 365 days of 24 hours."""
        return YEAR_NS / self.ns

    def __str__(self) -> str:
        return self.name


_ALL = (
    *(Timeframe(f"{n}m", n * MINUTE_NS) for n in (1, 3, 5, 10, 15, 30)),
    *(Timeframe(f"{n}h", n * HOUR_NS) for n in (1, 4)),
    Timeframe("1d", DAY_NS),
    Timeframe("1w", 7 * DAY_NS, phase_ns=4 * DAY_NS),  # the epoch was a Thursday
)
TIMEFRAMES: Mapping[str, Timeframe] = MappingProxyType({timeframe.name: timeframe for timeframe in _ALL})
_SPELLINGS = {spelling: timeframe for timeframe in _ALL for spelling in (timeframe.name, timeframe.folder)}


def parse_timeframe(text: str) -> Timeframe:
    """Return the timeframe named `1d` or, as the legacy platform spelled it, `1D`.

    >>> parse_timeframe("4h").ns == 4 * HOUR_NS
    True

    Raises:
        InvalidTimeframe: The timeframe is not supported.
    """
    if text not in _SPELLINGS:
        raise InvalidTimeframe(text, TIMEFRAMES)
    return _SPELLINGS[text]


def day_range(start: date, end: date) -> tuple[int, int]:
    """Return the start of one Seoul day and the end, exclusive, of another, as ns UTC.

    Both are clamped to int64, so a range into the far future ends in 2262.
    """
    return _midnight_ns(start.toordinal()), _midnight_ns(end.toordinal() + 1)


def seoul_day(instant: datetime) -> date:
    """Return the calendar day in Asia/Seoul of an instant in UTC."""
    return (instant + timedelta(microseconds=SEOUL_OFFSET_NS // 1000)).date()


def next_open(ns: int, phase: int, timeframe: Timeframe) -> int:
    """Return the first open at or after an instant on the grid with this phase, all in ns UTC."""
    return ns + (phase - ns) % timeframe.ns


def utc(ns: int | np.int64) -> datetime:
    """Return an instant as an aware datetime."""
    return _EPOCH + timedelta(microseconds=int(ns) // 1000)


def format_utc(ns: int | np.int64) -> str:
    """Return an instant as ISO 8601 text, to the second.

    >>> format_utc(1_704_067_200 * SECOND_NS)
    '2024-01-01T00:00:00Z'
    """
    return f"{utc(ns):%Y-%m-%dT%H:%M:%SZ}"


def format_duration(ns: int) -> str:
    """Return a duration as text, in the largest unit that divides it.

    >>> format_duration(90 * MINUTE_NS)
    '90 min'
    """
    units = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (SECOND_NS, "s"))
    size, unit = next(((size, unit) for size, unit in units if ns % size == 0), (SECOND_NS, "s"))
    return f"{ns / size:g} {unit}"


def _midnight_ns(ordinal: int) -> int:
    ns = (ordinal - _EPOCH_ORDINAL) * DAY_NS - SEOUL_OFFSET_NS
    return min(max(ns, -_INT64_MAX), _INT64_MAX)
