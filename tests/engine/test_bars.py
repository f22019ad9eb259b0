"""Candle columns."""

import numpy as np
import pytest

from coin_pipeline.engine.bars import Bars
from tests.engine.candles import bars_of, random_bars


def columns(n: int = 3) -> list[np.ndarray]:
    """Return six valid columns."""
    return [np.arange(n), *(np.ones(n) for _ in range(5))]


def test_head_returns_views_of_the_first_bars() -> None:
    """A head contains the first bars and shares their memory."""
    bars = random_bars(10, seed=1)
    head = bars.head(4)
    assert len(head) == 4
    assert np.shares_memory(head.close, bars.close)
    assert head.close.tolist() == bars.close[:4].tolist()


def test_columns_are_read_only() -> None:
    """Prices cannot be changed through bars."""
    with pytest.raises(ValueError, match="read-only"):
        random_bars(3, seed=1).high[0] = 0.0


def test_input_arrays_stay_writable() -> None:
    """Creating bars does not lock the input arrays."""
    given = columns()
    Bars(*given)
    given[1][0] = 2.0
    assert given[1][0] == 2.0


def test_empty_bars_are_valid() -> None:
    """An empty table gives bars of length zero."""
    assert len(bars_of([])) == 0


@pytest.mark.parametrize(
    ("position", "column", "error", "message"),
    [
        (0, np.arange(3.0), TypeError, "time must be a C-contiguous array of int64"),
        (0, np.array([0, 1, 1]), ValueError, "must be strictly increasing"),
        (4, np.arange(3), TypeError, "close must be a C-contiguous array of float64, not int64"),
        (5, np.ones(6)[::2], TypeError, "volume must be a C-contiguous"),
        (2, np.ones(4), ValueError, r"high must have shape \(3,\)"),
        (1, np.ones((3, 1)), ValueError, "open must have shape"),
    ],
)
def test_invalid_column_is_rejected(position: int, column: np.ndarray, error: type[Exception], message: str) -> None:
    """Dtypes, lengths and the order of time are checked, and the error names the column."""
    given = columns()
    given[position] = column
    with pytest.raises(error, match=message):
        Bars(*given)
