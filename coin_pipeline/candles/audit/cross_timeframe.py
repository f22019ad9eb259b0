"""Whether two timeframes of one market tell the same: candles made of shorter ones against the stored ones."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.coverage import phase_of
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe
from coin_pipeline.candles.validation import valid_rows

SHIFTS = tuple(hours for size in range(1, 15) for hours in (size, -size))
"""Hours by which a clock may be wrong; no zone is further from UTC."""
MIN_MATCHES = 3
"""Fewer candles that fit another clock may do so by chance."""
_VOLUME_RTOL, _VOLUME_ATOL = 1e-6, 1e-6  # sums of volumes that the exchange has rounded


class ComparedSeries(NamedTuple):
    """Candles of one timeframe, and when their exchange was asked for all of them."""

    columns: OHLCV
    timeframe: Timeframe
    fetched: tuple[Interval, ...]


class Disagreement(NamedTuple):
    """Longer candles that are not what the shorter ones make.

    Attributes:
        time: Their opens, int64 ns UTC.
        hours: They are what the shorter candles make if these are moved by so much; 0 if no move helps.
    """

    time: npt.NDArray[np.int64]
    hours: int


def disagreements(fine: ComparedSeries, coarse: ComparedSeries) -> Iterator[Disagreement]:
    """Compare longer candles with shorter ones wherever all of these are there, or known not to exist.

    Args:
        fine: The shorter candles; rows that are out of order or impossible are left out.
        coarse: The longer candles, of a multiple of their length; likewise.
    """
    short, long = _clean(fine), _clean(coarse)
    if not len(short.time) or not len(long.time):
        return
    # What is known of the shorter ones, whoever brought them.
    fine = ComparedSeries(short, fine.timeframe, union(fine.fetched, contiguous_intervals(short.time, fine.timeframe)))
    different = _differing(_made(fine, coarse.timeframe, long, 0), long, volume=True)
    hours, explained = _best_shift(fine, coarse.timeframe, long, different)
    if len(explained):
        yield Disagreement(explained, hours)
    rest = np.setdiff1d(different, explained)
    if len(rest):
        yield Disagreement(rest, 0)


def _best_shift(
    fine: ComparedSeries, timeframe: Timeframe, long: OHLCV, different: npt.NDArray[np.int64]
) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the move that explains most differences, and which; none unless it explains half of them."""
    wrong = long.rows(np.isin(long.time, different))
    best, explained = 0, different[:0]
    for hours in SHIFTS if len(different) >= MIN_MATCHES else ():
        moved = _made(fine, timeframe, wrong, hours)
        common = np.intersect1d(moved.time, wrong.time)
        fitting = np.setdiff1d(common, _differing(moved, wrong, volume=False))
        if len(fitting) > len(explained):
            best, explained = hours, fitting
    enough = len(explained) >= max(MIN_MATCHES, len(different) / 2)
    return (best, explained) if enough else (0, different[:0])


def _clean(series: ComparedSeries) -> OHLCV:
    """Return the rows that a backtest could be given, in order and on one grid."""
    columns = series.columns.rows(valid_rows(series.columns))
    if (np.diff(columns.time) <= 0).any():
        columns = columns.rows(np.unique(columns.time, return_index=True)[1])
    phase, only = phase_of(columns.time, series.timeframe)
    return columns if only else columns.rows(columns.time % series.timeframe.ns == phase)


def _made(fine: ComparedSeries, timeframe: Timeframe, long: OHLCV, hours: int) -> OHLCV:
    """Return the complete candles that shorter ones, moved by some hours, make around `long`."""
    move, phase = hours * HOUR_NS, int(long.time[0]) % timeframe.ns
    low, high = np.searchsorted(fine.columns.time, (long.time[0] - move, long.time[-1] + timeframe.ns - move)).tolist()
    part = fine.columns.rows(slice(low, high))
    if not len(part.time) or (int(part.time[0]) + move - phase) % fine.timeframe.ns:
        return part.rows(slice(0))
    known = [(start + move, end + move) for start, end in fine.fetched]
    return resample(part._replace(time=part.time + move), fine.timeframe, timeframe, known, phase)


def _differing(made: OHLCV, long: OHLCV, *, volume: bool) -> npt.NDArray[np.int64]:
    """Return the opens at which both have a candle, and not the same one."""
    time, in_made, in_long = np.intersect1d(made.time, long.time, assume_unique=True, return_indices=True)
    ours, theirs = made.rows(in_made), long.rows(in_long)
    pairs = zip(ours[1:5], theirs[1:5], strict=True)
    other = np.any([one != two for one, two in pairs], axis=0)
    if volume:
        other |= ~np.isclose(ours.volume, theirs.volume, _VOLUME_RTOL, _VOLUME_ATOL)
    return time[other]
