"""All compared readers return the stored candles, and a wrong value is detected."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring import Stopwatch
from benchmarks.oracles import find_difference
from benchmarks.reading import expected_columns, expected_series, expected_sums, store_series
from benchmarks.series import COLUMNS, column_sums

READERS = ["coin", "pandas", "polars", "duckdb"]


@pytest.mark.parametrize("reader", READERS)
def test_reader_returns_the_stored_candles(reader: str, tmp_path: Path) -> None:
    """One symbol is compared value by value, several by their sums; candles outside the range are excluded."""
    adapter = importlib.import_module(f"benchmarks.engines.{reader}")
    data = store_series(tmp_path, "1h", 6)
    result = adapter.one_series(data)(Stopwatch())
    assert find_difference(result, expected_series(data), COLUMNS) == ""
    result = adapter.many_series(data)(Stopwatch())
    assert find_difference(result, expected_sums(data), ("time", "sums")) == ""


def test_wrong_symbol_is_detected() -> None:
    """The sums of two symbols differ."""
    first, second = (column_sums([expected_columns("1d", number)]) for number in (0, 1))
    assert find_difference(first, second, ("time", "sums")).startswith("sums: 5 of 5 differ")
    assert not np.array_equal(first["sums"], second["sums"])
