"""Notes on files whose prices are of another order of magnitude than the stored ones."""

from datetime import date

import numpy as np
import pytest

from coin_pipeline.candles.imports.price_level import price_level_note
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe

LIMIT = 2 * DAY_NS


def days(prices: list[float], first: int = 0) -> OHLCV:
    """Return daily candles with these prices, beginning some days after 2024-01-01."""
    candles = synthetic_candles(1, parse_timeframe("1d"), date(2024, 1, 1), len(prices))
    price = np.array(prices)
    return OHLCV(candles.time + first * DAY_NS, price, price, price, price, candles.volume)


@pytest.mark.parametrize(
    ("file", "is_noted"),
    [
        (days([1.0] * 5), True),
        (days([1000.0] * 5), True),
        (days([10.0] * 5), True),
        (days([10.5] * 5), False),
        (days([100.0] * 5), False),
    ],
    ids=["lower", "higher", "tenfold", "less than tenfold", "equal"],
)
def test_prices_of_another_order_of_magnitude_are_noted(file: OHLCV, is_noted: bool) -> None:  # noqa: FBT001
    """In both directions, from a factor of 10 on."""
    assert (price_level_note(days([100.0] * 5), file, LIMIT) is not None) == is_noted


@pytest.mark.parametrize("first", [-6, 6])
def test_candles_next_to_the_stored_ones_are_compared(first: int) -> None:
    """A gap of a day between them is within the limit."""
    assert price_level_note(days([100.0] * 5), days([1.0] * 5, first), LIMIT) is not None


@pytest.mark.parametrize("first", [-8, 8])
def test_candles_of_other_times_are_not_compared(first: int) -> None:
    """The market may have risen or fallen since."""
    assert price_level_note(days([100.0] * 5), days([1.0] * 5, first), LIMIT) is None


def test_a_rise_within_the_file_is_none_against_the_stored_candles() -> None:
    """Only its last days are next to the stored ones."""
    assert price_level_note(days([1000.0] * 5, 50), days([10.0] * 40 + [1000.0] * 10), LIMIT) is None


def test_stored_candles_within_a_gap_of_the_file_are_not_compared() -> None:
    """Their market may have been elsewhere meanwhile."""
    file = OHLCV.concat([days([1.0] * 2), days([1.0] * 2, 100)])
    assert price_level_note(days([100.0] * 5, 50), file, LIMIT) is None


def test_nothing_stored_is_not_noted() -> None:
    """Such as for the first file of a market."""
    assert price_level_note(OHLCV.empty(), days([1.0] * 5), LIMIT) is None


def test_both_typical_prices_are_named() -> None:
    """The medians, with four digits."""
    note = price_level_note(days([93_123_456.0, 93_123_456.0, 5.0]), days([67_301.25] * 3), LIMIT)
    assert "about 67,300, but about 93,120,000 in the stored candles" in str(note)
