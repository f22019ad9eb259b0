"""What the pages about candles draw: series on a common time axis, and months as bars."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from coin_pipeline.candles.audit.calendar import CoverageCalendar, MonthCoverage
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.stored_series import StoredCandles

AXIS = 1000
"""Length of the common time axis, in the units of its drawing."""
MONTH_WIDTH = 100
_LEAST = 3
"""What is there at all is drawn at least this wide, so that a single missing candle of a month can be seen."""


class Segment(NamedTuple):
    """A part of a bar: its style, start and width in the units of the drawing."""

    style: str
    x: float
    width: float


class SeriesBar(NamedTuple):
    """A stored series, with the start and width of its span on the common time axis."""

    stored: StoredCandles
    x: float
    width: float


class MonthBar(NamedTuple):
    """A month of the calendar.

    Attributes:
        month: Its counts.
        state: Name of its style: `complete`, `gaps`, `insufficient`, or `outside` of the series.
        share: Share of its candles that are stored, such as `99.9%`; empty outside of the series.
        segments: Its candles as parts of a bar of `MONTH_WIDTH`.
    """

    month: MonthCoverage
    state: str
    share: str
    segments: tuple[Segment, ...]


def series_bars(series: Sequence[StoredCandles]) -> list[SeriesBar]:
    """Return the bars of all series."""
    begin, end = axis_of(series)
    scale = AXIS / max(1, end - begin)
    bars = []
    for stored in series:
        first, last = stored.span
        width = max(_LEAST, (last - first) * scale)
        bars.append(SeriesBar(stored, min((first - begin) * scale, AXIS - width), width))
    return bars


def axis_of(series: Sequence[StoredCandles]) -> Interval:
    """Return the bounds of the common time axis, ns UTC."""
    spans = [stored.span for stored in series] or [(0, 0)]
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def calendar_years(calendar: CoverageCalendar) -> list[tuple[int, list[MonthBar]]]:
    """Return the bars of each year, the newest first."""
    years = groupby(calendar.months, key=lambda month: month.year)
    return [(year, [_month_bar(month) for month in months]) for year, months in years][::-1]


def floor_percent(part: int, whole: int) -> str:
    """Return a share in percent, rounded down: 100 % only if nothing is missing.

    >>> floor_percent(9_999, 10_000), floor_percent(3, 3)
    ('99.9%', '100%')
    """
    return f"{math.floor(1000 * part / whole) / 10:g}%" if whole else ""


def _month_bar(month: MonthCoverage) -> MonthBar:
    parts = {"stored": month.present, "no-trade": month.no_trade, "not-fetched": month.not_fetched}
    widths = {style: max(_LEAST, MONTH_WIDTH * count / month.expected) for style, count in parts.items() if count}
    scale, x, segments = MONTH_WIDTH / sum(widths.values()) if widths else 0.0, 0.0, []
    for style, width in widths.items():
        segments.append(Segment(style, round(x, 2), round(width * scale, 2)))
        x += width * scale
    return MonthBar(month, month.state or "outside", floor_percent(month.present, month.expected), tuple(segments))
