"""Columns of numbers for the script of a report."""

import json

import numpy as np
import pytest

from coin_pipeline.report.packing import (
    decimals_of,
    decimals_of_largest,
    extreme_rows,
    last_known,
    pack,
    pack_exact,
    unpack,
)
from tests.report.documents import walk


@pytest.mark.parametrize(
    "values",
    [
        np.array([]),
        np.array([1.25, -3.5, np.nan, 0.0, 7.75]),
        np.array([np.nan, np.nan]),
        np.array([1e300, 0.5, np.nan]),
    ],
    ids=["none", "some", "unknown", "large"],
)
def test_numbers_are_the_same_after_packing(values: np.ndarray) -> None:
    """Also undefined ones, and those for which integers are too small."""
    column = json.loads(json.dumps(pack(values, 2), allow_nan=False))
    assert unpack(column).tolist() == pytest.approx(values.tolist(), nan_ok=True)


@pytest.mark.parametrize(
    "values",
    [[57_053_000.0, 100.0], [0.1, 0.30000000000000004, np.nan], [1 / 3, -1e-12], [1e300], [np.nan], []],
    ids=["prices", "noise", "fractions", "large", "unknown", "none"],
)
def test_exact_numbers_are_not_rounded(values: list[float]) -> None:
    """Whatever their digits."""
    column = json.loads(json.dumps(pack_exact(np.array(values)), allow_nan=False))
    assert np.array_equal(unpack(column), values, equal_nan=True)


def test_times_are_packed_exactly() -> None:
    """As integers of 64 bits, not as floats."""
    time = 1_704_067_200 + 60 * np.arange(3)
    assert pack(time) == {"divisor": 1, "deltas": [1_704_067_200, 60, 60]}


@pytest.mark.parametrize(
    ("prices", "decimals"),
    [([57053000.0, 100.0], 0), ([0.1, 57053000.0], 1), ([0.00001234], 8), ([1e-12], 12), ([1 / 3, 100.0], 7), ([], 0)],
)
def test_prices_keep_all_their_digits(prices: list[float], decimals: int) -> None:
    """As many as they have, or seven if they have more."""
    assert decimals_of(np.array(prices)) == decimals


@pytest.mark.parametrize(("largest", "decimals"), [(123456.7, 0), (12.3, 3), (0.0, 0), (1e-30, 15)])
def test_digits_of_the_largest_number(largest: float, decimals: int) -> None:
    """Five significant ones, and never a negative number of decimals."""
    assert decimals_of_largest(np.array([largest, np.nan]), 5) == decimals


def test_few_rows_are_kept() -> None:
    """Downsampling would keep as many."""
    assert extreme_rows(40, 10, [walk(1, 40), walk(2, 40)]) is None


def test_downsampling_keeps_the_extremes_of_every_bucket() -> None:
    """Of both curves, and the first and the last row."""
    one, other = walk(1, 1003), walk(2, 1003)
    rows = extreme_rows(1003, 20, [one, other])
    assert rows is not None
    assert (rows[0], rows[-1]) == (0, 1002)
    assert len(rows) <= 4 * 20 + 2
    for column in (one, other):
        for start in range(0, 1003, 51):
            bucket = column[start : start + 51]
            kept = column[rows[(rows >= start) & (rows < start + 51)]]
            assert (kept.min(), kept.max()) == (bucket.min(), bucket.max())


def test_a_bucket_has_its_last_known_value() -> None:
    """Undefined if it has none."""
    values = np.array([1.0, 2.0, np.nan, np.nan, np.nan, 5.0])
    assert last_known(values, np.array([0, 3, 5])).tolist() == pytest.approx([2.0, np.nan, 5.0], nan_ok=True)
