"""Bars of timeframes that no one stored: resampled from stored shorter candles when they are read."""

from collections.abc import Mapping
from typing import NamedTuple

from coin_pipeline.candles.intervals import Interval, clip, total, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import bar_phase, contiguous_intervals, resample, whole_bars
from coin_pipeline.candles.timeframe import DAY_NS, TIMEFRAMES, Timeframe


class DerivedBars(NamedTuple):
    """Bars that were resampled.

    Attributes:
        bars: The complete bars.
        fetched: Intervals in which every existing bar was made of fetched candles, ns UTC.
    """

    bars: OHLCV
    fetched: tuple[Interval, ...]


def possible_bases(timeframe: Timeframe) -> list[Timeframe]:
    """Return the timeframes from which another may be resampled, longest first; none unless it has a base."""
    if timeframe.base is None:
        return []
    shorter = [other for other in TIMEFRAMES.values() if other.ns < timeframe.ns and not timeframe.ns % other.ns]
    return shorter[::-1]


def choose_base(spans: Mapping[Timeframe, Interval], bounds: Interval) -> Timeframe | None:
    """Return the stored timeframe that covers most of a range, the longest if several do; None if nothing is stored.

    Args:
        spans: First open and end of the last candle of each stored timeframe, ns UTC.
        bounds: The range, ns UTC.
    """

    def usefulness(timeframe: Timeframe) -> tuple[int, int]:
        # In whole days: of two series that end now, the shorter candles end a little later.
        return total(clip([spans[timeframe]], bounds)) // DAY_NS, timeframe.ns

    return max(spans, key=usefulness, default=None)


def derive(candles: OHLCV, fetched: tuple[Interval, ...], base: Timeframe, timeframe: Timeframe) -> DerivedBars:
    """Return the bars that are complete: each of their candles is stored, or was fetched and had no trades.

    Args:
        candles: Valid candles in strictly increasing order.
        fetched: Intervals for which every candle was fetched, ns UTC.
        base: Length of the candles.
        timeframe: Length of the bars.

    Raises:
        InvalidCandles: A candle opens off the grid.
    """
    if not len(candles.time):
        return DerivedBars(candles, whole_bars(fetched, timeframe.phase_ns, timeframe))
    phase = bar_phase(int(candles.time[0]), base, timeframe)
    known = union(fetched, contiguous_intervals(candles.time, base))
    return DerivedBars(resample(candles, base, timeframe, known, phase), whole_bars(fetched, phase, timeframe))
