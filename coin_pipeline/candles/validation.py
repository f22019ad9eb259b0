"""Validation of candles: order, prices, and spacing on the grid of a timeframe."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.coverage import phase_of
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import DAY_NS, TIMEFRAMES, Timeframe, format_duration, format_utc
from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE
from coin_pipeline.errors import Coded, InvalidCandles, InvalidInput, Problem, coded

_BLOCK = 32_768  # rows whose masks stay in the CPU cache
_SHORTEST_MONTH_NS = 28 * DAY_NS


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
        fault = "candle_repeats" if time[row] == time[row - 1] else "candle_earlier"
        raise InvalidCandles(source, int(late.sum()), coded(fault, row=locate(row), time=format_utc(time[row])))


def check_prices(source: object, candles: OHLCV, locate: Callable[[int], str]) -> None:
    """Check that all rows are possible: low <= open, close <= high, prices and volume within the engine's bounds.

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
    violation = describe_violation(*(float(column[row]) for column in candles[1:]))
    first = coded("candle_violates", row=locate(row), time=format_utc(candles.time[row]), violation=violation)
    raise InvalidCandles(source, int(invalid.sum()), first)


def all_valid(candles: OHLCV) -> bool:
    """Return whether `check_prices` accepts all rows."""
    blocks = range(0, len(candles.time), _BLOCK)
    return all(valid_rows(candles.rows(slice(start, start + _BLOCK))).all() for start in blocks)


def check_spacing(
    source: object, time: npt.NDArray[np.int64], timeframe: Timeframe, rows: npt.NDArray[np.int64] | None = None
) -> None:
    """Check that the distances between candles are multiples of the timeframe.

    Args:
        source: Name of the candles in the error message.
        time: Opens in strictly increasing order, ns UTC, shape (n,).
        timeframe: Length of a candle.
        rows: Row number of each candle, counted from 1, for the error message; by default in the order of time.

    Raises:
        InvalidCandles: Some are not; the message contains the count and the first row off the grid of most others.
    """
    phase, is_uniform = phase_of(time, timeframe)
    if is_uniform:
        return
    numbers = np.arange(1, len(time) + 1) if rows is None else rows
    off = np.flatnonzero(time % timeframe.ns != phase)
    row = int(off[numbers[off].argmin()])
    late = format_duration(int((time[row] - phase) % timeframe.ns))
    known = _usual_length(time)
    remedy = coded("may_be", known=known) if known and known.ns < timeframe.ns else ""
    values = {"row": numbers[row], "time": format_utc(time[row]), "late": late, "timeframe": timeframe}
    raise InvalidCandles(source, len(off), coded("off_grid", **values, remedy=remedy))


def check_length(source: object, time: npt.NDArray[np.int64], timeframe: Timeframe) -> None:
    """Check that candles are as long as their timeframe, and not longer ones on the same grid.

    Candles of a timeframe may be missing, but some are adjacent and few distances are longer than that.

    Args:
        source: Name of the candles in the error message.
        time: Opens in strictly increasing order, ns UTC, shape (n,).
        timeframe: Length of a candle.

    Raises:
        InvalidInput: No two candles are adjacent, or most distances are equal and longer.
    """
    distances, counts = np.unique(np.diff(time), return_counts=True)
    if not len(distances) or timeframe.ns in distances[counts > counts.sum() / 2]:
        return
    usual, known = int(distances[counts.argmax()]), _usual_length(time)
    monthly = distances[0] >= _SHORTEST_MONTH_NS
    adjacent = int(counts[distances == timeframe.ns].sum())
    is_pair = len(time) == 2  # noqa: PLR2004 -- one distance proves little, unless it is a timeframe
    if not adjacent and (known or monthly or not is_pair):
        found = coded("none_apart", length=format_duration(timeframe.ns))
    elif counts.max() > counts.sum() / 2 and not is_pair:
        found = coded("most_apart", length=format_duration(usual))
    else:
        return
    if monthly:
        remedy = coded("months_unsupported")
    elif known:
        remedy = coded("may_be", known=known)
    else:
        remedy = coded("closest_apart", length=format_duration(int(distances[0])))
    reason = coded("of_other_length", path=source, found=found, timeframe=timeframe, remedy=remedy)
    raise InvalidInput([Problem("timeframe", reason)])


def _usual_length(time: npt.NDArray[np.int64]) -> Timeframe | None:
    """Return the timeframe as long as the most frequent distance between candles, if there is one."""
    distances, counts = np.unique(np.diff(time), return_counts=True)
    usual = distances[counts.argmax()] if len(distances) else 0
    return next((timeframe for timeframe in TIMEFRAMES.values() if timeframe.ns == usual), None)


def valid_rows(candles: OHLCV) -> npt.NDArray[np.bool_]:
    """Return a mask of the rows that satisfy the price and volume rules; comparisons with NaN are false."""
    _, open_, high, low, close, volume = candles
    inside = (low <= open_) & (low <= close) & (open_ <= high) & (close <= high)
    return inside & (low >= MIN_PRICE) & (high <= MAX_PRICE) & (volume >= 0) & (volume <= MAX_VOLUME)


def describe_violation(open_: float, high: float, low: float, close: float, volume: float) -> Coded:
    """Return a phrase for the rule of `valid_rows` that a row violates.

    >>> str(describe_violation(10.0, 12.0, 9.0, 13.0, 1.0))
    'close 13.0 above its high 12.0'
    """
    prices = {"open": open_, "high": high, "low": low, "close": close}
    values = {**prices, "volume": volume}
    for name, value in values.items():
        if not math.isfinite(value):
            return coded("not_finite", name=coded(f"candle_{name}"), value=str(value))
    for name, value in values.items():
        if beyond := _beyond_bounds(name, value):
            return beyond
    for name in ("open", "close"):
        if prices[name] > high:
            return coded("above_its_high", name=coded(f"candle_{name}"), value=prices[name], high=high)
    name = "open" if open_ < low else "close"
    return coded("below_its_low", name=coded(f"candle_{name}"), value=prices[name], low=low)


def _beyond_bounds(name: str, value: float) -> Coded | None:
    of_value = {"name": coded(f"candle_{name}"), "value": str(value)}  # not as 300 digits
    if name == "volume":
        most = coded("above_limit", **of_value, limit=f"{MAX_VOLUME:g}") if value > MAX_VOLUME else None
        return coded("below_zero", **of_value) if value < 0 else most
    if value <= 0:
        return coded("not_above_zero", **of_value)
    if MIN_PRICE <= value <= MAX_PRICE:
        return None
    return coded("not_between", **of_value, low=f"{MIN_PRICE:g}", high=f"{MAX_PRICE:g}")


def row_label(row: int) -> Coded:
    """Return the name of a row, counted from 0, in an error message."""
    return coded("row_number", row=row + 1)
