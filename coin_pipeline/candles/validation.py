"""What sound candles are: the rules of a row, and the grid of a timeframe."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe, format_duration, format_utc
from coin_pipeline.errors import InvalidCandles

_BLOCK = 32_768  # rows whose masks stay in the processor's cache


def sorted_unique(time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
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
        raise InvalidCandles(source, int(late.sum()), f"{locate(row)} at {format_utc(time[row])} {what}")


def check_prices(source: object, columns: OHLCV, locate: Callable[[int], str]) -> None:
    """Refuse rows no market can have produced: low <= open, close <= high, prices > 0, volume >= 0, all finite.

    Raises:
        InvalidCandles: It names the source, the count, and the first row as `locate` calls it, with the value.
    """
    if all_valid(columns):
        return
    wrong = ~valid_rows(columns)
    row = int(wrong.argmax())
    reason = describe_violation(*(float(column[row]) for column in columns[1:]))
    raise InvalidCandles(source, int(wrong.sum()), f"{locate(row)} at {format_utc(columns.time[row])} has {reason}")


def all_valid(columns: OHLCV) -> bool:
    """Return whether `check_prices` would pass all rows."""
    blocks = range(0, len(columns.time), _BLOCK)
    return all(valid_rows(columns.rows(slice(start, start + _BLOCK))).all() for start in blocks)


def check_spacing(source: object, time: npt.NDArray[np.int64], timeframe: Timeframe) -> None:
    """Refuse candles whose distances are not multiples of the timeframe.

    Raises:
        InvalidCandles: It names the source, the count, the first row and the distance.
    """
    distances = np.diff(time)
    wrong = distances % timeframe.ns != 0
    if wrong.any():
        row = int(wrong.argmax()) + 1
        spacing = f"spacing of {format_duration(int(distances[row - 1]))} does not fit timeframe {timeframe}"
        raise InvalidCandles(source, int(wrong.sum()), f"row {row + 1} at {format_utc(time[row])}: {spacing}")


def valid_rows(columns: OHLCV) -> npt.NDArray[np.bool_]:
    """Mark the rows that obey the rules; a comparison with NaN is false."""
    _, open_, high, low, close, volume = columns
    inside = (low <= open_) & (low <= close) & (open_ <= high) & (close <= high)
    return inside & (low > 0) & (high < np.inf) & (volume >= 0) & (volume < np.inf)


def describe_violation(open_: float, high: float, low: float, close: float, volume: float) -> str:
    """Say which rule of `valid_rows` a row breaks."""
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
