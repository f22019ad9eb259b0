"""Synthetic candles."""

import hashlib
from datetime import date

import numpy as np
import pytest

from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, day_range, format_utc
from coin_pipeline.candles.validation import check_prices, check_spacing, check_times
from tests.candle_data import synthetic_frame

PRICES = ["open", "high", "low", "close"]


@pytest.mark.parametrize("name", TIMEFRAMES)
def test_synthetic_candles_are_valid(name: str) -> None:
    """For every timeframe, from the first open of the Seoul day, without a gap."""
    timeframe = TIMEFRAMES[name]
    candles = synthetic_candles(7, timeframe, date(2024, 1, 1), 5_000)
    check_times("synthetic", candles.time, str)
    check_prices("synthetic", candles, str)
    check_spacing("synthetic", candles.time, timeframe)
    begin, _ = day_range(date(2024, 1, 1), date(2024, 1, 1))
    covered = coverage(candles.time, timeframe, begin, int(candles.time[-1]) + 1)
    assert (covered.expected, covered.gaps) == (5_000, ())


def test_values_are_reproducible(daily: Timeframe) -> None:
    """Values are pinned to the last bit on any machine and NumPy version."""
    values = np.column_stack(synthetic_candles(1, daily, date(2024, 1, 1), 366)[1:])
    assert (
        hashlib.sha256(values.tobytes()).hexdigest()
        == "3f007c162fce8b313292456a5192805c9181c36c5cf8eff8c3904856a9551ea1"
    )


def test_a_leap_year_of_days(daily: Timeframe) -> None:
    """366 daily candles from 2024-01-01 end on 2024-12-31."""
    opens = synthetic_candles(1, daily, date(2024, 1, 1), 366).time
    assert (format_utc(opens[0]), format_utc(opens[-1])) == ("2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z")


def test_a_longer_series_starts_with_the_shorter_one(hourly: Timeframe) -> None:
    """More bars of the same seed are appended."""
    longer = synthetic_candles(3, hourly, date(2024, 1, 1), 300)
    shorter = synthetic_candles(3, hourly, date(2024, 1, 1), 200)
    np.testing.assert_array_equal(longer.rows(slice(200)), shorter)


def test_seeds_give_different_series(hourly: Timeframe) -> None:
    """Prices of two seeds differ."""
    first, second = (synthetic_candles(seed, hourly, date(2024, 1, 1), 100) for seed in (1, 2))
    assert (first.close != second.close).mean() > 0.9


def test_series_resemble_a_market(hourly: Timeframe) -> None:
    """Returns have fat tails, volatility clusters, volume follows moves, and prices are on whole steps."""
    frame = synthetic_frame(5, hourly, date(2020, 1, 1), 30_000)
    moves = frame["close"].pct_change().dropna()
    assert moves.kurt() > 1.0
    assert moves.abs().autocorr(1) > 0.1
    assert moves.abs().corr(frame["volume"].iloc[1:]) > 0.4
    assert (frame.loc[frame["low"] >= 2_000_000, PRICES] % 1_000 == 0).all(axis=None)


def test_zero_bars_are_empty(daily: Timeframe) -> None:
    """The result has no rows."""
    assert synthetic_candles(1, daily, date(2024, 1, 1), 0).time.tolist() == []
