"""Timeframes, and conversions between calendar days, datetimes and instants in ns since the epoch, UTC."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import YEAR_NS
from coin_pipeline.errors import InvalidTimeframe, coded

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

SEOUL = "Asia/Seoul"
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
        base: Timeframe to fetch for it, if it is resampled from shorter candles unless it is stored itself.
    """

    name: str
    ns: int
    phase_ns: int = 0
    base: str | None = None

    @property
    def folder(self) -> str:
        """Name of the folder of such candles, `1D`."""
        return self.name.upper()

    @property
    def bars_per_year(self) -> float:
        """Candles in a year of 365 days of 24 hours."""
        return YEAR_NS / self.ns

    @property
    def fetched_as(self) -> str:
        """Name of the timeframe that `coin candles get` fetches for it."""
        return self.base or self.name

    def __str__(self) -> str:
        return self.name


_ALL = (
    *(Timeframe(f"{n}m", n * MINUTE_NS) for n in (1, 3, 5, 10, 15, 30)),
    Timeframe("1h", HOUR_NS),
    Timeframe("2h", 2 * HOUR_NS, base="1h"),
    Timeframe("4h", 4 * HOUR_NS),
    Timeframe("6h", 6 * HOUR_NS, base="1h"),
    Timeframe("12h", 12 * HOUR_NS, base="1h"),
    Timeframe("1d", DAY_NS),
    Timeframe("1w", 7 * DAY_NS, phase_ns=4 * DAY_NS),  # the epoch was a Thursday
)
TIMEFRAMES: Mapping[str, Timeframe] = MappingProxyType({timeframe.name: timeframe for timeframe in _ALL})
_MONTHS = re.compile(r"[0-9]{1,3}(M|mo|mon|months?)")
_LENGTH = re.compile(r"([0-9]{1,6}) ?(m|min|minutes?|h|hours?|d|days?|w|weeks?)")
_UNITS = MappingProxyType({"m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS})


def parse_timeframe(text: str) -> Timeframe:
    """Return the timeframe named `1d` or, as the legacy platform spelled it, `1D`.

    `M` stands for months everywhere but on the legacy platform, so `1M` is rejected instead of read as a minute.

    >>> parse_timeframe("4h").ns == 4 * HOUR_NS
    True

    Raises:
        InvalidTimeframe: The timeframe is not supported; the message suggests another name of the same length.
    """
    timeframe = TIMEFRAMES.get(text) or TIMEFRAMES.get(_lower_unit(text))
    if timeframe is None:
        raise InvalidTimeframe(text, TIMEFRAMES, _hint(text))
    return timeframe


def parse_legacy_timeframe(text: str) -> Timeframe:
    """Return a timeframe as backtest requests spell it: the legacy web client sends `1M` for a minute.

    >>> parse_legacy_timeframe("1M").name
    '1m'

    Raises:
        InvalidTimeframe: As for `parse_timeframe`.
    """
    minutes = TIMEFRAMES.get(text[:-1] + "m") if text.endswith("M") else None
    return minutes or parse_timeframe(text)


def _lower_unit(text: str) -> str:
    """Return a name with its unit in lower case, except for `M`."""
    return text[:-1] + text[-1:].lower() if text[-1:] in {"H", "D", "W"} else text


def _hint(text: str) -> str:
    if _MONTHS.fullmatch(text):
        minutes = f"{text[:-1]}m"
        if not text.endswith("M"):
            return coded("no_months")
        return (
            coded("minutes_not_months", name=minutes, count=text[:-1])
            if minutes in TIMEFRAMES
            else coded("m_is_minutes")
        )
    length = _LENGTH.fullmatch(text.strip().lower())
    if length is None:
        return ""
    ns = int(length[1]) * _UNITS[length[2][0]]
    same = next((timeframe.name for timeframe in _ALL if timeframe.ns == ns), None)
    return coded("did_you_mean", name=same) if same else ""


def day_range(start: date, end: date, zone: str = SEOUL) -> tuple[int, int]:
    """Return the start of one calendar day and the end, exclusive, of another, as ns UTC.

    A day starts at its first instant: where clocks skip midnight, at the end of the gap; where midnight comes twice, at
    the first. Both are clamped to int64, so a range into the far future ends in 2262.

    Args:
        start: First day.
        end: Last day.
        zone: IANA name of the time zone of the days.

    >>> hours = [(stop - start) // HOUR_NS for day in (date(2024, 3, 10), date(2024, 11, 3))
    ...          for start, stop in [day_range(day, day, "America/New_York")]]
    >>> hours
    [23, 25]
    """
    if zone == SEOUL:
        return _midnight_ns(start.toordinal()), _midnight_ns(end.toordinal() + 1)
    return _first_instant_ns(start, zone), _first_instant_ns(end + timedelta(days=1), zone)


def day_of(instant: datetime, zone: str) -> date:
    """Return the calendar day in a time zone, given by its IANA name, of an instant in UTC."""
    return seoul_day(instant) if zone == SEOUL else instant.astimezone(ZoneInfo(zone)).date()


def zone_offset_ns(instant: datetime, zone: str) -> int:
    """Return how far the clocks of a time zone, given by its IANA name, are ahead of UTC at an instant, ns.

    >>> zone_offset_ns(datetime(2024, 7, 1, tzinfo=UTC), "Europe/Berlin") // SECOND_NS
    7200
    """
    offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
    return int((offset or timedelta(0)).total_seconds()) * SECOND_NS


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


def format_times(ns: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Return instants as ISO 8601 texts, to the second, or to the nanosecond if one of them needs it.

    >>> format_times(np.array([0, 1_704_067_200 * SECOND_NS])).tolist()
    ['1970-01-01T00:00:00Z', '2024-01-01T00:00:00Z']
    """
    unit: Literal["ns", "s"] = "ns" if (ns % SECOND_NS).any() else "s"
    return np.datetime_as_string(ns.view("datetime64[ns]"), unit=unit, timezone="UTC")


def format_times_in(ns: npt.NDArray[np.int64], zone: str) -> list[str]:
    """Return instants as ISO 8601 texts in a time zone, with its offset from UTC.

    >>> format_times_in(np.array([1_704_067_200 * SECOND_NS]), "Asia/Seoul")
    ['2024-01-01T09:00:00+09:00']
    """
    quarters, inverse = np.unique(ns // (15 * MINUTE_NS), return_inverse=True)  # clocks change at quarters of an hour
    offsets = np.array([zone_offset_ns(utc(quarter * 15 * MINUTE_NS), zone) for quarter in quarters.tolist()], np.int64)
    texts = [_offset_text(offset // MINUTE_NS) for offset in offsets.tolist()]
    local = format_times(ns + offsets[inverse]).tolist() if len(ns) else []
    return [f"{time[:-1]}{texts[row]}" for time, row in zip(local, inverse.tolist(), strict=True)]


def _offset_text(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def format_duration(ns: int) -> str:
    """Return a duration as text, in the largest unit that divides it.

    >>> format_duration(90 * MINUTE_NS)
    '90 min'
    >>> format_duration(3600 * SECOND_NS - 1_000_000)
    '3599.999 s'
    """
    units = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (SECOND_NS, "s"))
    size, unit = next(((size, unit) for size, unit in units if ns % size == 0), (SECOND_NS, "s"))
    return f"{ns / size:.15g} {unit}"


def _first_instant_ns(day: date, zone: str) -> int:
    midnight = datetime.combine(day, time(), ZoneInfo(zone))  # in a gap, fold=0 has the offset before it: its end
    ns = (midnight - _EPOCH) // timedelta(seconds=1) * SECOND_NS
    return min(max(ns, -_INT64_MAX), _INT64_MAX)


def _midnight_ns(ordinal: int) -> int:
    ns = (ordinal - _EPOCH_ORDINAL) * DAY_NS - SEOUL_OFFSET_NS
    return min(max(ns, -_INT64_MAX), _INT64_MAX)
