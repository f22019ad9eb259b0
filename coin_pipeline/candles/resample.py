"""Longer candles made of shorter ones, complete ones only: no bar tells less than the exchange's own would."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SECOND_NS, TIMEFRAMES, Timeframe, next_open, utc
from coin_pipeline.errors import InvalidCandles, InvalidResample

_ALWAYS = (-(2**63), 2**63 - 1)
_BLOCK = 32_768  # rows that stay in the processor's cache; a division and a product cost less than a remainder


@dataclass(frozen=True, slots=True)
class Resampled:
    """Bars made of a stored series, fit to be merged.

    Attributes:
        bars: The complete ones.
        incomplete: How many more have a candle, but lack one that nobody has asked for.
        fetched: Where every bar that there is has been made of candles that were fetched, ns UTC.
        source: The exchange that they were fetched from.
    """

    bars: OHLCV
    incomplete: int
    fetched: tuple[Interval, ...]
    source: str | None


def resample_stored(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, to: Timeframe) -> Resampled:
    """Make bars of all stored candles of a market, on the grid of the bars that are stored already; store nothing.

    A bar is complete if each of its candles is stored or was asked for.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidResample: The length of the bars is no multiple of that of the candles, or their grids do not fit.
        InvalidCandleFile, InvalidCandles: Stored candles cannot be read, or are impossible.
    """
    series = catalog.load(symbol, timeframe, date.min, date.max)
    columns = OHLCV(*(getattr(series.bars, name) for name in OHLCV._fields))
    stored = catalog.stored(symbol, to)
    phase = int(stored[0].first.timestamp()) * SECOND_NS % to.ns if stored else None
    every = resample(columns, timeframe, to, [_ALWAYS], phase)
    known = union(series.provenance.fetched, contiguous_intervals(columns.time, timeframe))
    bars = resample(columns, timeframe, to, known, phase)
    whole = _whole(series.provenance.fetched, int(every.time[0]) % to.ns, to) if len(every.time) else ()
    return Resampled(bars, len(every.time) - len(bars.time), whole, series.provenance.source)


def resample(
    columns: OHLCV, timeframe: Timeframe, to: Timeframe, known: Sequence[Interval], phase: int | None = None
) -> OHLCV:
    """Return the candles of a longer timeframe that shorter ones make.

    A bar opens and closes with its first and last candle; its high and low are their highest and lowest. Its volume is
    the sum of theirs, taken in pairs as NumPy does: it depends on the candles of the bar alone, and is as near to the
    exact sum as prices and volumes are to what was traded, at a hundredth of the time that `math.fsum` takes.

    Args:
        columns: Sound candles in strictly increasing order.
        timeframe: Their length.
        to: Length of the bars, a multiple of it.
        known: Where every candle that there is was handed in, disjoint and in order, ns UTC: one that is missing there
            had no trade. A bar that does not lie in one of them as a whole is left out, and so is one without a candle.
            `contiguous_intervals` is what is known of candles of which nobody remembers what was fetched.
        phase: Where the bars open, ns UTC modulo their length; `bar_phase` of the first candle unless given.

    Raises:
        InvalidResample: The length of the bars is no multiple of that of the candles, or they open between these.
        InvalidCandles: A candle opens between those of the grid.
    """
    if to.ns <= timeframe.ns or to.ns % timeframe.ns:
        fitting = [each.name for each in TIMEFRAMES.values() if each.ns > timeframe.ns and not each.ns % timeframe.ns]
        raise InvalidResample(timeframe, to, f"choose one of {', '.join(fitting)}" if fitting else "nothing is longer")
    time = columns.time
    if not len(time):
        return columns
    start = bar_phase(int(time[0]), timeframe, to) if phase is None else phase
    _check_grid(timeframe, to, time, start)
    grid = np.arange(time[0] - (time[0] - start) % to.ns, time[-1] + 1, to.ns)
    bounds = np.append(np.searchsorted(time, grid), len(time))
    filled = np.flatnonzero(np.diff(bounds))
    opens, first, last = grid[filled], bounds[filled], bounds[filled + 1] - 1
    bars = OHLCV(
        opens,
        columns.open[first],
        np.maximum.reduceat(columns.high, first),
        np.minimum.reduceat(columns.low, first),
        columns.close[last],
        np.add.reduceat(columns.volume, first),
    )
    return bars.rows(_within(opens, opens + to.ns, known))


def bar_phase(candle: int, timeframe: Timeframe, to: Timeframe) -> int:
    """Return where bars open whose candles open as this one does, ns UTC modulo the length of the bars.

    That is where they open on the exchange, or the nearest place at which a candle opens: days from 15:00 UTC, a Seoul
    midnight, make weeks from Sunday, 15:00 UTC, which is Monday in Seoul.
    """
    ahead = (candle - to.phase_ns) % timeframe.ns
    nearest = ahead - timeframe.ns if 2 * ahead > timeframe.ns else ahead
    return (to.phase_ns + nearest) % to.ns


def contiguous_intervals(time: npt.NDArray[np.int64], timeframe: Timeframe) -> tuple[Interval, ...]:
    """Return the stretches in which no candle is missing, each from an open to a close, ns UTC."""
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
        raise InvalidResample(timeframe, to, f"those stored do not open when a {timeframe} candle does")
    row = int(off.argmax())
    where = f"row {row + 1} at {utc(time[row])} opens between the others"
    raise InvalidCandles(f"{timeframe} candles", int(off.sum()), where)


def _within(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], known: Sequence[Interval]
) -> npt.NDArray[np.bool_]:
    """Mark the stretches that lie in one of the known ones."""
    froms, tos = np.array(known, dtype=np.int64).reshape(-1, 2).T
    found = np.searchsorted(froms, starts, side="right") - 1
    return (found >= 0) & (ends <= np.append(tos, 0)[found])


def _whole(fetched: Sequence[Interval], phase: int, to: Timeframe) -> tuple[Interval, ...]:
    """Return what of some intervals whole bars make up."""
    return union((next_open(start, phase, to), end - (end - phase) % to.ns) for start, end in fetched)
