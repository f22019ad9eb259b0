"""Columns of numbers for the script of a report: downsampled, and packed as integers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.report.payload import Column

_MAX_SAFE = 2**53
"""JavaScript has no integers beyond it."""
_MAX_DECIMALS = 15
_SAMPLE, _ROUNDING = 100, 1e-12
FRACTION_DECIMALS = 6
"""Decimals of returns, shares and growth factors."""
_PRICE_DIGITS = 7


def pack(values: npt.NDArray[Any], decimals: int = 0) -> Column:
    """Return a column of numbers rounded to decimals; unrounded if they are too large for that.

    Args:
        values: Numbers, shape (n,); those that are not finite are undefined.
        decimals: Digits after the point.

    >>> pack(np.array([1.5, np.nan, 1.25]), 2)
    {'divisor': 100, 'deltas': [150, None, -25]}
    """
    divisor = 10**decimals
    finite = np.isfinite(values)
    known = values[finite]
    if len(known) and float(np.abs(known).max()) * divisor >= _MAX_SAFE:
        return {"values": _with_nulls(values[finite], finite)}
    scaled = known if decimals == 0 and known.dtype == np.int64 else np.rint(known * float(divisor)).astype(np.int64)
    return {"divisor": divisor, "deltas": _with_nulls(np.diff(scaled, prepend=0), finite)}


def pack_exact(values: Floats) -> Column:
    """Return a column of exactly these numbers: as integers if a power of ten makes all whole, else as they are.

    >>> pack_exact(np.array([1.5, 1.25])), pack_exact(np.array([1 / 3]))
    ({'divisor': 100, 'deltas': [150, -25]}, {'values': [0.3333333333333333]})
    """
    packed = pack(values, decimals_of(values))
    if np.array_equal(unpack(packed), values, equal_nan=True):
        return packed
    finite = np.isfinite(values)
    return {"values": _with_nulls(values[finite], finite)}


def unpack(column: Column) -> Floats:
    """Return the numbers of a column, NaN for nulls, as the script of a report does.

    >>> unpack({"divisor": 100, "deltas": [150, None, -25]}).tolist()
    [1.5, nan, 1.25]
    """
    if "values" in column:
        return np.array(column["values"], float)
    deltas = np.array(column["deltas"], float)
    return np.where(np.isnan(deltas), np.nan, np.nancumsum(deltas)) / column["divisor"]


def _with_nulls(known: npt.NDArray[Any], finite: npt.NDArray[np.bool_]) -> list[Any]:
    """Return numbers with None where the mask, shape (n,), is False."""
    if finite.all():
        return list(known.tolist())
    column = np.full(len(finite), None, object)
    column[finite] = known.tolist()
    return list(column)


def length_of(column: Column) -> int:
    """Return the number of values of a column."""
    return len(column["deltas"] if "deltas" in column else column["values"])


def decimals_of(*columns: Floats) -> int:
    """Return the digits after the point with which all numbers of some columns are exact, such as prices.

    If they have more than that: as many as give the smallest number 7 significant digits.

    >>> decimals_of(np.array([57053000.0])), decimals_of(np.array([0.25, 3.0])), decimals_of(np.array([1 / 3]))
    (0, 2, 7)
    """
    known = np.concatenate(columns)
    known = np.abs(known[np.isfinite(known) & (known != 0)])
    if not len(known):
        return 0
    smallest = math.floor(math.log10(known.min()))
    most = min(max(_PRICE_DIGITS - 1 - smallest, 0), _MAX_DECIMALS)
    sample = known[:_SAMPLE]  # which is enough to rule out most
    fitting = (n for n in range(most) if _are_whole(sample * 10.0**n) and _are_whole(known * 10.0**n))
    return next(fitting, most)


def decimals_of_largest(values: Floats, digits: int) -> int:
    """Return the digits after the point that give the largest number some significant digits; 0 for integers.

    >>> decimals_of_largest(np.array([123.0, 0.5, np.nan]), 5)
    2
    """
    largest = float(np.abs(values).max(initial=0.0, where=np.isfinite(values)))
    return min(max(digits - 1 - math.floor(math.log10(largest)), 0), _MAX_DECIMALS) if largest else 0


def _are_whole(values: Floats) -> bool:
    return bool(np.all(np.abs(values - np.rint(values)) <= _ROUNDING * values))


def extreme_rows(rows: int, buckets: int, columns: Sequence[Floats]) -> Ints | None:
    """Return the rows that keep the shape of some curves; None if there are few enough to keep all.

    Each bucket of consecutive rows keeps the lowest and the highest value of every column; the first and the last row
    are kept.

    Args:
        rows: Number of rows.
        buckets: Number of buckets.
        columns: Curves, shape (rows,) each, without NaN.
    """
    kept = 2 * len(columns)
    if rows <= kept * buckets:
        return None
    size = -(-rows // buckets)
    starts = np.arange(0, rows, size)
    chosen = [np.array([0, rows - 1])]
    for column in columns:
        # The last bucket is filled up with its last value, whose first occurrence is within the column.
        blocks = np.pad(column, (0, size * len(starts) - rows), "edge").reshape(-1, size)
        chosen += [starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1)]
    return np.unique(np.concatenate(chosen))


def last_known(values: Floats, starts: Ints) -> Floats:
    """Return the last value of each bucket that is not NaN, NaN if it has none, shape (buckets,).

    Args:
        values: Numbers, shape (n,).
        starts: First row of each bucket, ascending, shape (buckets,); the first is 0.
    """
    row = np.where(np.isnan(values), -1, np.arange(len(values)))
    last = np.maximum.reduceat(row, starts)
    return np.where(last >= 0, values[last], np.nan)
