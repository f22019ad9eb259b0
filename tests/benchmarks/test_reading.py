"""The readers that are compared are asked for the same and find it, and a wrong value is told."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring import Stopwatch
from benchmarks.oracles import difference
from benchmarks.reading import columns, many, one, stored
from benchmarks.series import COLUMNS, sums

READERS = ["coin", "pandas", "polars", "duckdb"]


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_finds_what_was_stored(reader: str, tmp_path: Path) -> None:
    """One symbol value by value, several by their sums; the candles before and after the range are left out."""
    adapter = importlib.import_module(f"benchmarks.engines.{reader}")
    data = stored(tmp_path, "1h", 6)
    found = adapter.one_series(data)(Stopwatch())
    assert difference(found, one(data), COLUMNS) == ""
    found = adapter.many_series(data)(Stopwatch())
    assert difference(found, many(data), ("time", "sums")) == ""


def test_a_wrong_symbol_is_told() -> None:
    """The sums of two symbols differ."""
    first, second = (sums([columns("1d", number)]) for number in (0, 1))
    assert difference(first, second, ("time", "sums")).startswith("sums: 5 of 5 differ")
    assert not np.array_equal(first["sums"], second["sums"])
