"""What sound candles are: the rules of a row, the grid of a timeframe, and how much of a range is there."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.errors import InvalidCandles
from coin_pipeline.market.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, Timeframe

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = 32_768  # rows whose masks stay in the processor's cache


class Columns(NamedTuple):
    """Candles as columns of n rows that nobody has checked yet; `Bars` are the checked ones.

    Attributes:
        time: Opens of the candles, int64 ns UTC, shape (n,).
        open: First prices, float64, shape (n,); `high`, `low`, `close` and `volume` alike.
    """

    time: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]

    def rows(self, rows: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Columns":
        """Return these rows: views of a slice, copies of an index."""
        return Columns(self.time[rows], *(column[rows] for column in self[1:]))


def utc(ns: int | np.int64) -> datetime:
    """Return an instant as an aware datetime."""
    return _EPOCH + timedelta(microseconds=int(ns) // 1000)


def check_times(source: object, time: npt.NDArray[np.int64], locate: Callable[[int], str]) -> None:
    """Refuse candles that are not in strictly increasing order.

    Raises:
        InvalidCandles: It names the source, the count, and the first row as `locate` calls it.
    """
    late = time[1:] <= time[:-1]
    if late.any():
        row = int(late.argmax()) + 1
        what = "repeats the candle before it" if time[row] == time[row - 1] else "is earlier than the candle before it"
        raise InvalidCandles(source, int(late.sum()), f"{locate(row)} at {_stamp(time[row])} {what}")


def check_prices(source: object, columns: Columns, locate: Callable[[int], str]) -> None:
    """Refuse rows no market can have produced: low <= open, close <= high, prices > 0, volume >= 0, all finite.

    Raises:
        InvalidCandles: It names the source, the count, and the first row as `locate` calls it, with the value.
    """
    if are_sound(columns):
        return
    wrong = ~_sound(columns)
    row = int(wrong.argmax())
    reason = _price_fault(*(float(column[row]) for column in columns[1:]))
    raise InvalidCandles(source, int(wrong.sum()), f"{locate(row)} at {_stamp(columns.time[row])} has {reason}")


def are_sound(columns: Columns) -> bool:
    """Return whether `check_prices` would pass all rows."""
    blocks = range(0, len(columns.time), _BLOCK)
    return all(_sound(columns.rows(slice(start, start + _BLOCK))).all() for start in blocks)


def check_spacing(source: object, time: npt.NDArray[np.int64], timeframe: Timeframe) -> None:
    """Refuse candles whose distances are not multiples of the timeframe.

    Raises:
        InvalidCandles: It names the source, the count, the first row and the distance.
    """
    distances = np.diff(time)
    wrong = distances % timeframe.ns != 0
    if wrong.any():
        row = int(wrong.argmax()) + 1
        spacing = f"spacing of {_length(int(distances[row - 1]))} does not fit timeframe {timeframe}"
        raise InvalidCandles(source, int(wrong.sum()), f"row {row + 1} at {_stamp(time[row])}: {spacing}")


def _sound(columns: Columns) -> npt.NDArray[np.bool_]:
    """Mark the rows that obey the rules; a comparison with NaN is false."""
    _, open_, high, low, close, volume = columns
    inside = (low <= open_) & (low <= close) & (open_ <= high) & (close <= high)
    return inside & (low > 0) & (high < np.inf) & (volume >= 0) & (volume < np.inf)


def _price_fault(open_: float, high: float, low: float, close: float, volume: float) -> str:
    """Say which rule of `_sound` a row breaks."""
    prices = {"open": open_, "high": high, "low": low, "close": close}
    for name, value in {**prices, "volume": volume}.items():
        if not math.isfinite(value):
            return f"{name} {value}, not a number of the market"
    for name, value in prices.items():
        if value <= 0:
            return f"{name} {value}, not above 0"
    if volume < 0:
        return f"volume {volume}, below 0"
    for name in ("open", "close"):
        if prices[name] > high:
            return f"{name} {prices[name]} above its high {high}"
    name = "open" if open_ < low else "close"
    return f"{name} {prices[name]} below its low {low}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Candles in a row that are not there.

    Attributes:
        start: Open of the first missing candle, ns UTC.
        end: Where the next candle opens, or the grid of the range ends, ns UTC, exclusive.
        missing: How many candles.
    """

    start: int
    end: int
    missing: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a range is there; expected - present is the sum of what the gaps miss.

    Attributes:
        expected: Candles that open in the range.
        present: How many of them are there.
        off_grid: Candles in the range that open between those expected.
        first: Open of the first candle in the range, ns UTC, or None.
        last: Open of the last candle in the range, ns UTC, or None.
        gaps: What is missing, in order, before the first and after the last candle too.
    """

    expected: int
    present: int
    off_grid: int
    first: int | None
    last: int | None
    gaps: tuple[Gap, ...]

    @property
    def ratio(self) -> float:
        """Present candles as a fraction of those expected; 1.0 of an empty range."""
        return self.present / self.expected if self.expected else 1.0


def coverage(time_ns: npt.NDArray[np.int64], timeframe: Timeframe, start_ns: int, end_ns: int) -> Coverage:
    """Compare candles with the grid of their timeframe over [start_ns, end_ns).

    The grid is that of most candles given (daily ones may open at 15:00 UTC, a Seoul midnight); without any it starts
    at the epoch, or on Monday for weeks.

    Args:
        time_ns: Opens of the candles, strictly increasing, ns UTC, shape (n,).
        timeframe: Their length.
        start_ns: Start of the range, ns UTC.
        end_ns: End of the range, exclusive, ns UTC.
    """
    inside = time_ns[np.searchsorted(time_ns, start_ns) : np.searchsorted(time_ns, end_ns)]
    phase = _phase(time_ns, timeframe)
    on_grid = inside[inside % timeframe.ns == phase]
    begin = next_open(start_ns, phase, timeframe)
    end = max(begin, next_open(end_ns, phase, timeframe))
    return Coverage(
        expected=(end - begin) // timeframe.ns,
        present=len(on_grid),
        off_grid=len(inside) - len(on_grid),
        first=int(inside[0]) if len(inside) else None,
        last=int(inside[-1]) if len(inside) else None,
        gaps=_gaps(on_grid, timeframe.ns, begin, end),
    )


def _phase(time: npt.NDArray[np.int64], timeframe: Timeframe) -> int:
    if not len(time):
        return timeframe.phase_ns
    phases, counts = np.unique(time % timeframe.ns, return_counts=True)
    return int(phases[counts.argmax()])


def next_open(ns: int, phase: int, timeframe: Timeframe) -> int:
    """Return the first open on the grid at or after an instant."""
    return ns + (phase - ns) % timeframe.ns


def _gaps(time: npt.NDArray[np.int64], step: int, begin: int, end: int) -> tuple[Gap, ...]:
    edges = [(begin, end)]
    if len(time):
        before = np.flatnonzero(np.diff(time) != step)
        inner = zip((time[before] + step).tolist(), time[before + 1].tolist(), strict=True)
        edges = [(begin, int(time[0])), *inner, (int(time[-1]) + step, end)]
    return tuple(Gap(start, stop, (stop - start) // step) for start, stop in edges if start < stop)


def _stamp(ns: int | np.int64) -> str:
    return f"{utc(ns):%Y-%m-%dT%H:%M:%SZ}"


def _length(ns: int) -> str:
    units = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (SECOND_NS, "s"))
    size, unit = next(((size, unit) for size, unit in units if ns % size == 0), (SECOND_NS, "s"))
    return f"{ns / size:g} {unit}"
