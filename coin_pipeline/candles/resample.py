"""Resampling of candles to a longer timeframe; incomplete bars are dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SECOND_NS, TIMEFRAMES, Timeframe, next_open, utc
from coin_pipeline.candles.validation import row_label
from coin_pipeline.errors import InvalidCandles, InvalidResample

_ALWAYS = (-(2**63), 2**63 - 1)
_BLOCK = 32_768  # rows that stay in the CPU cache; a division and a product are faster than a remainder


@dataclass(frozen=True, slots=True)
class ResampleResult:
    """Bars resampled from a stored series, ready to be merged.

    Attributes:
        bars: The complete bars.
        incomplete: Number of dropped bars: they have candles, but also missing ones that were never fetched.
        fetched: Intervals in which every existing bar was made of fetched candles, ns UTC.
        source: The exchange the candles were fetched from.
    """

    bars: OHLCV
    incomplete: int
    fetched: tuple[Interval, ...]
    source: str | None


def resample_stored(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, to: Timeframe) -> ResampleResult:
    """Resample all stored candles of a market to the grid of the stored bars, if there are any; store nothing.

    A bar is complete if each of its candles is stored or was fetched.

    Args:
        catalog: The stored candles.
        symbol: The market.
        timeframe: Length of the candles.
        to: Length of the bars.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidResample: `to` is not a multiple of `timeframe`, or their grids do not fit.
        InvalidCandleFile, InvalidCandles: Stored candles cannot be read, or are impossible.
    """
    loaded = catalog.load(symbol, timeframe, date.min, date.max)
    candles, fetched = loaded.candles, loaded.provenance.fetched
    stored = catalog.stored(symbol, to)
    phase = int(stored[0].first.timestamp()) * SECOND_NS % to.ns if stored else None
    all_bars = resample(candles, timeframe, to, [_ALWAYS], phase)
    known = union(fetched, contiguous_intervals(candles.time, timeframe))
    bars = resample(candles, timeframe, to, known, phase)
    bars_fetched = _whole_bars(fetched, int(all_bars.time[0]) % to.ns, to) if len(all_bars.time) else ()
    return ResampleResult(bars, len(all_bars.time) - len(bars.time), bars_fetched, loaded.provenance.source)


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


def _whole_bars(fetched: Sequence[Interval], phase: int, to: Timeframe) -> tuple[Interval, ...]:
    """Return the parts of intervals that consist of whole bars."""
    return union((next_open(start, phase, to), end - (end - phase) % to.ns) for start, end in fetched)
