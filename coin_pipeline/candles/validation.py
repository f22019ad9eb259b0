"""Validation of candles: order, prices, and spacing on the grid of a timeframe."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe, format_duration, format_utc
from coin_pipeline.errors import InvalidCandles

_BLOCK = 32_768  # rows whose masks stay in the CPU cache


def sorted_unique(time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return times sorted and without duplicates; the same array if they already are, which saves the sort."""
    return time if (time[1:] > time[:-1]).all() else np.unique(time)


def check_times(source: object, time: npt.NDArray[np.int64], locate: Callable[[int], str]) -> None:
    """Check that times increase strictly.

    Args:
        source: Name of the candles in the error message.
        time: Open times, ns UTC, shape (n,).
        locate: Returns the description of a row, counted from 0, in the error message.

    Raises:
        InvalidCandles: They do not; the message contains the count and the first such row.
    """
    late = time[1:] <= time[:-1]
    if late.any():
        row = int(late.argmax()) + 1
        fault = "repeats the candle before it" if time[row] == time[row - 1] else "is earlier than the candle before it"
        raise InvalidCandles(source, int(late.sum()), f"{locate(row)} at {format_utc(time[row])} {fault}")


def check_prices(source: object, candles: OHLCV, locate: Callable[[int], str]) -> None:
    """Check that all rows are possible: low <= open, close <= high, prices > 0, volume >= 0, all finite.

    Args:
        source: Name of the candles in the error message.
        candles: The candles.
        locate: Returns the description of a row, counted from 0, in the error message.

    Raises:
        InvalidCandles: Some are not; the message contains the count, the first such row and its value.
    """
    if all_valid(candles):
        return
    invalid = ~valid_rows(candles)
    row = int(invalid.argmax())
    reason = describe_violation(*(float(column[row]) for column in candles[1:]))
    raise InvalidCandles(source, int(invalid.sum()), f"{locate(row)} at {format_utc(candles.time[row])} has {reason}")


def all_valid(candles: OHLCV) -> bool:
    """Return whether `check_prices` accepts all rows."""
    blocks = range(0, len(candles.time), _BLOCK)
    return all(valid_rows(candles.rows(slice(start, start + _BLOCK))).all() for start in blocks)


def check_spacing(source: object, time: npt.NDArray[np.int64], timeframe: Timeframe) -> None:
    """Check that the distances between candles are multiples of the timeframe.

    Raises:
        InvalidCandles: Some are not; the message contains the count, the first such row and its distance.
    """
    distances = np.diff(time)
    wrong = distances % timeframe.ns != 0
    if wrong.any():
        row = int(wrong.argmax()) + 1
        spacing = f"spacing of {format_duration(int(distances[row - 1]))} does not fit timeframe {timeframe}"
        raise InvalidCandles(source, int(wrong.sum()), f"{row_label(row)} at {format_utc(time[row])}: {spacing}")


def valid_rows(candles: OHLCV) -> npt.NDArray[np.bool_]:
    """Return a mask of the rows that satisfy the price and volume rules; comparisons with NaN are false."""
    _, open_, high, low, close, volume = candles
    inside = (low <= open_) & (low <= close) & (open_ <= high) & (close <= high)
    return inside & (low > 0) & (high < np.inf) & (volume >= 0) & (volume < np.inf)


def describe_violation(open_: float, high: float, low: float, close: float, volume: float) -> str:
    """Return a phrase for the rule of `valid_rows` that a row violates.

    >>> describe_violation(10.0, 12.0, 9.0, 13.0, 1.0)
    'close 13.0 above its high 12.0'
    """
    prices = {"open": open_, "high": high, "low": low, "close": close}
    for name, value in {**prices, "volume": volume}.items():
        if not math.isfinite(value):
            return f"{name} {value}, not a finite number"
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


def row_label(row: int) -> str:
    """Return the name of a row, counted from 0, in an error message."""
    return f"row {row + 1}"
