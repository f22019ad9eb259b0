"""Resampling of candles to a longer timeframe; incomplete bars are dropped."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, next_open, utc
from coin_pipeline.candles.validation import row_label
from coin_pipeline.errors import InvalidCandles, InvalidResample

_BLOCK = 32_768  # rows that stay in the CPU cache; a division and a product are faster than a remainder


def resample(
    candles: OHLCV, timeframe: Timeframe, to: Timeframe, known: Sequence[Interval], phase: int | None = None
) -> OHLCV:
    """Resample candles to a longer timeframe.

    Open and close are those of a bar's first and last candle, high and low the extremes. The volume is NumPy's
    pairwise sum: it depends on the candles of the bar alone, is as close to the exact sum as prices and volumes are to
    what was traded, and takes a hundredth of the time of `math.fsum`.

    Args:
        candles: Valid candles in strictly increasing order.
        timeframe: Length of the candles.
        to: Length of the bars, a multiple of `timeframe`.
        known: Disjoint intervals in order, ns UTC, for which `candles` contains every existing candle: one missing
            there had no trades. Bars not entirely within one of them are dropped, and so are bars without candles.
            Use `contiguous_intervals` for candles without provenance.
        phase: Open of the bars, ns UTC modulo their length; by default `bar_phase` of the first candle.

    Raises:
        InvalidResample: `to` is not a multiple of `timeframe`, or bars open between candles.
        InvalidCandles: A candle opens off the grid.
    """
    if to.ns <= timeframe.ns or to.ns % timeframe.ns:
        valid = [other.name for other in TIMEFRAMES.values() if other.ns > timeframe.ns and not other.ns % timeframe.ns]
        raise InvalidResample(timeframe, to, f"choose one of {', '.join(valid)}" if valid else "nothing is longer")
    time = candles.time
    if not len(time):
        return candles
    start = bar_phase(int(time[0]), timeframe, to) if phase is None else phase
    _check_grid(timeframe, to, time, start)
    grid = np.arange(time[0] - (time[0] - start) % to.ns, time[-1] + 1, to.ns)
    bounds = np.append(np.searchsorted(time, grid), len(time))
    filled = np.flatnonzero(np.diff(bounds))
    opens, first, last = grid[filled], bounds[filled], bounds[filled + 1] - 1
    bars = OHLCV(
        opens,
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.add.reduceat(candles.volume, first),
    )
    return bars.rows(_within(opens, opens + to.ns, known))


def bar_phase(candle: int, timeframe: Timeframe, to: Timeframe) -> int:
    """Return the open of the bars that a candle with this open belongs to, ns UTC modulo the length of the bars.

    This is the exchange's phase for the bars, or the candle open nearest to it: days from 15:00 UTC, midnight in
    Seoul, make weeks from Sunday 15:00 UTC, which is Monday in Seoul.
    """
    ahead = (candle - to.phase_ns) % timeframe.ns
    nearest = ahead - timeframe.ns if 2 * ahead > timeframe.ns else ahead
    return (to.phase_ns + nearest) % to.ns


def contiguous_intervals(time: npt.NDArray[np.int64], timeframe: Timeframe) -> tuple[Interval, ...]:
    """Return the intervals without a missing candle, each from an open to a close, ns UTC."""
    if not len(time):
        return ()
    breaks = np.flatnonzero(np.diff(time) != timeframe.ns)
    starts, ends = time[np.append(0, breaks + 1)], time[np.append(breaks, -1)] + timeframe.ns
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))


def _check_grid(timeframe: Timeframe, to: Timeframe, time: npt.NDArray[np.int64], start: int) -> None:
    blocks = (time[first : first + _BLOCK] for first in range(0, len(time), _BLOCK))
    if all(np.array_equal(start + (block - start) // timeframe.ns * timeframe.ns, block) for block in blocks):
        return
    off = (time - start) % timeframe.ns != 0
    if off[0]:
        raise InvalidResample(timeframe, to, f"the stored bars do not open when a {timeframe} candle does")
    row = int(off.argmax())
    first = f"{row_label(row)} at {utc(time[row])} opens between the others"
    raise InvalidCandles(f"{timeframe} candles", int(off.sum()), first)


def _within(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], known: Sequence[Interval]
) -> npt.NDArray[np.bool_]:
    """Return a mask of the ranges that are entirely within one of the known intervals."""
    known_starts, known_ends = np.array(known, dtype=np.int64).reshape(-1, 2).T
    candidate = np.searchsorted(known_starts, starts, side="right") - 1
    return (candidate >= 0) & (ends <= np.append(known_ends, 0)[candidate])


def whole_bars(fetched: Sequence[Interval], phase: int, to: Timeframe) -> tuple[Interval, ...]:
    """Return the parts of intervals that consist of whole bars with this phase, all in ns UTC."""
    return union((next_open(start, phase, to), end - (end - phase) % to.ns) for start, end in fetched)
