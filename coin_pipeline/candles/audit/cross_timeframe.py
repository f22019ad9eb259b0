"""Comparison of two timeframes of one market: candles resampled from the shorter one against the stored longer ones."""

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
"""Clock errors to test, in hours; no time zone is further from UTC."""
MIN_MATCHES = 3
"""Fewer candles may fit a shifted clock by chance."""
_VOLUME_RTOL, _VOLUME_ATOL = 1e-6, 1e-6  # sums of volumes that the exchange has rounded


class ComparedSeries(NamedTuple):
    """Candles of one timeframe, and the intervals for which all of them were fetched, ns UTC."""

    candles: OHLCV
    timeframe: Timeframe
    fetched: tuple[Interval, ...]


class Disagreement(NamedTuple):
    """Longer candles that differ from those resampled from the shorter ones.

    Attributes:
        time: Opens of the longer candles, int64 ns UTC.
        hours: Shift of the shorter candles that explains the difference; 0 if none does.
    """

    time: npt.NDArray[np.int64]
    hours: int


def disagreements(fine: ComparedSeries, coarse: ComparedSeries) -> Iterator[Disagreement]:
    """Compare longer candles with shorter ones wherever all of the shorter ones are stored or known not to exist.

    Args:
        fine: The shorter candles; rows that are out of order or impossible are ignored.
        coarse: The longer candles, whose length is a multiple of the shorter one's; likewise.
    """
    short, long = _valid_candles(fine), _valid_candles(coarse)
    if not len(short.time) or not len(long.time):
        return
    # Intervals without a missing candle are complete even if they were imported rather than fetched.
    known = union(fine.fetched, contiguous_intervals(short.time, fine.timeframe))
    fine = ComparedSeries(short, fine.timeframe, known)
    different = _differing_opens(_resample_around(fine, coarse.timeframe, long, 0), long, volume=True)
    hours, explained = _best_shift(fine, coarse.timeframe, long, different)
    if len(explained):
        yield Disagreement(explained, hours)
    rest = np.setdiff1d(different, explained)
    if len(rest):
        yield Disagreement(rest, 0)


def _best_shift(
    fine: ComparedSeries, timeframe: Timeframe, long: OHLCV, different: npt.NDArray[np.int64]
) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the shift that explains most differences, and which ones; none unless it explains half of them."""
    wrong = long.rows(np.isin(long.time, different))
    best, explained = 0, different[:0]
    for hours in SHIFTS if len(different) >= MIN_MATCHES else ():
        shifted = _resample_around(fine, timeframe, wrong, hours)
        common = np.intersect1d(shifted.time, wrong.time)
        matching = np.setdiff1d(common, _differing_opens(shifted, wrong, volume=False))
        if len(matching) > len(explained):
            best, explained = hours, matching
    enough = len(explained) >= max(MIN_MATCHES, len(different) / 2)
    return (best, explained) if enough else (0, different[:0])


def _valid_candles(series: ComparedSeries) -> OHLCV:
    """Return the rows that are valid, in order and on one grid."""
    candles = series.candles.rows(valid_rows(series.candles))
    if (np.diff(candles.time) <= 0).any():
        candles = candles.rows(np.unique(candles.time, return_index=True)[1])
    phase, uniform = phase_of(candles.time, series.timeframe)
    return candles if uniform else candles.rows(candles.time % series.timeframe.ns == phase)


def _resample_around(fine: ComparedSeries, timeframe: Timeframe, long: OHLCV, hours: int) -> OHLCV:
    """Return the complete candles resampled from shorter ones, shifted by some hours, in the range of `long`."""
    shift, phase = hours * HOUR_NS, int(long.time[0]) % timeframe.ns
    bounds = (long.time[0] - shift, long.time[-1] + timeframe.ns - shift)
    low, high = np.searchsorted(fine.candles.time, bounds).tolist()
    part = fine.candles.rows(slice(low, high))
    if not len(part.time) or (int(part.time[0]) + shift - phase) % fine.timeframe.ns:
        return part.rows(slice(0))
    known = [(start + shift, end + shift) for start, end in fine.fetched]
    return resample(part._replace(time=part.time + shift), fine.timeframe, timeframe, known, phase)


def _differing_opens(resampled: OHLCV, stored: OHLCV, *, volume: bool) -> npt.NDArray[np.int64]:
    """Return the opens of candles in both series whose values differ."""
    time, in_resampled, in_stored = np.intersect1d(resampled.time, stored.time, assume_unique=True, return_indices=True)
    resampled, stored = resampled.rows(in_resampled), stored.rows(in_stored)
    pairs = zip(resampled[1:5], stored[1:5], strict=True)
    differs = np.any([left != right for left, right in pairs], axis=0)
    if volume:
        differs |= ~np.isclose(resampled.volume, stored.volume, _VOLUME_RTOL, _VOLUME_ATOL)
    return time[differs]
