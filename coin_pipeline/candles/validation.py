"""What sound candles are: the rules of a row, and the grid of a timeframe."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, Timeframe
from coin_pipeline.errors import InvalidCandles

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = 32_768  # rows whose masks stay in the processor's cache


class OHLCV(NamedTuple):
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

    def rows(self, rows: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "OHLCV":
        """Return these rows: views of a slice, copies of an index."""
        return OHLCV(self.time[rows], *(column[rows] for column in self[1:]))


def utc(ns: int | np.int64) -> datetime:
    """Return an instant as an aware datetime."""
    return _EPOCH + timedelta(microseconds=int(ns) // 1000)


def distinct(time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return times in order, each once: those that are so already as they are, since sorting takes far longer."""
    return time if (time[1:] > time[:-1]).all() else np.unique(time)


def check_times(source: object, time: npt.NDArray[np.int64], locate: Callable[[int], str]) -> None:
    """Refuse candles that are not in strictly increasing order.

    Raises:
        InvalidCandles: It names the source, the count, and the first row as `locate` calls it.
    """
    late = time[1:] <= time[:-1]
    if late.any():
        row = int(late.argmax()) + 1
        what = "repeats the candle before it" if time[row] == time[row - 1] else "is earlier than the candle before it"
        raise InvalidCandles(source, int(late.sum()), f"{locate(row)} at {stamp(time[row])} {what}")


def check_prices(source: object, columns: OHLCV, locate: Callable[[int], str]) -> None:
    """Refuse rows no market can have produced: low <= open, close <= high, prices > 0, volume >= 0, all finite.

    Raises:
        InvalidCandles: It names the source, the count, and the first row as `locate` calls it, with the value.
    """
    if are_sound(columns):
        return
    wrong = ~sound(columns)
    row = int(wrong.argmax())
    reason = price_fault(*(float(column[row]) for column in columns[1:]))
    raise InvalidCandles(source, int(wrong.sum()), f"{locate(row)} at {stamp(columns.time[row])} has {reason}")


def are_sound(columns: OHLCV) -> bool:
    """Return whether `check_prices` would pass all rows."""
    blocks = range(0, len(columns.time), _BLOCK)
    return all(sound(columns.rows(slice(start, start + _BLOCK))).all() for start in blocks)


def check_spacing(source: object, time: npt.NDArray[np.int64], timeframe: Timeframe) -> None:
    """Refuse candles whose distances are not multiples of the timeframe.

    Raises:
        InvalidCandles: It names the source, the count, the first row and the distance.
    """
    distances = np.diff(time)
    wrong = distances % timeframe.ns != 0
    if wrong.any():
        row = int(wrong.argmax()) + 1
        spacing = f"spacing of {length_of(int(distances[row - 1]))} does not fit timeframe {timeframe}"
        raise InvalidCandles(source, int(wrong.sum()), f"row {row + 1} at {stamp(time[row])}: {spacing}")


def sound(columns: OHLCV) -> npt.NDArray[np.bool_]:
    """Mark the rows that obey the rules; a comparison with NaN is false."""
    _, open_, high, low, close, volume = columns
    inside = (low <= open_) & (low <= close) & (open_ <= high) & (close <= high)
    return inside & (low > 0) & (high < np.inf) & (volume >= 0) & (volume < np.inf)


def price_fault(open_: float, high: float, low: float, close: float, volume: float) -> str:
    """Say which rule of `sound` a row breaks."""
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


def next_open(ns: int, phase: int, timeframe: Timeframe) -> int:
    """Return the first open on the grid at or after an instant."""
    return ns + (phase - ns) % timeframe.ns


def stamp(ns: int | np.int64) -> str:
    """Return an instant as text, to the second."""
    return f"{utc(ns):%Y-%m-%dT%H:%M:%SZ}"


def length_of(ns: int) -> str:
    """Return a length of time as text, in the largest unit that measures it in whole numbers."""
    units = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (SECOND_NS, "s"))
    size, unit = next(((size, unit) for size, unit in units if ns % size == 0), (SECOND_NS, "s"))
    return f"{ns / size:g} {unit}"
