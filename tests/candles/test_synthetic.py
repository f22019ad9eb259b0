"""Candles of no market."""

import hashlib
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, day_range
from coin_pipeline.candles.validation import check_prices, check_spacing, check_times
from coin_pipeline.candles.year_files.arrow import normalize_table, to_ohlcv

PRICES = ["open", "high", "low", "close"]


@pytest.mark.parametrize("name", TIMEFRAMES)
def test_they_keep_the_rules(name: str) -> None:
    """Synthetic candles of every timeframe pass the checks, from the first open of the Seoul day on, without a gap."""
    timeframe = TIMEFRAMES[name]
    columns = to_ohlcv(
        normalize_table("synthetic", pa.Table.from_pandas(synthetic_candles(7, timeframe, date(2024, 1, 1), 5_000)))
    )
    check_times("synthetic", columns.time, str)
    check_prices("synthetic", columns, str)
    check_spacing("synthetic", columns.time, timeframe)
    begin, _ = day_range(date(2024, 1, 1), date(2024, 1, 1))
    found = coverage(columns.time, timeframe, begin, int(columns.time[-1]) + 1)
    assert (found.expected, found.gaps) == (5_000, ())


def test_same_bytes_everywhere(daily: Timeframe) -> None:
    """The values are pinned to the last bit: a change of NumPy or of machine that shows is a failure."""
    values = synthetic_candles(1, daily, date(2024, 1, 1), 366).drop(columns="timestamp").to_numpy()
    assert (
        hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        == "3f007c162fce8b313292456a5192805c9181c36c5cf8eff8c3904856a9551ea1"
    )


def test_a_leap_year_of_days(daily: Timeframe) -> None:
    """366 daily candles from the first of January 2024 end on the last of December."""
    opens = synthetic_candles(1, daily, date(2024, 1, 1), 366)["timestamp"]
    assert (opens.iloc[0], opens.iloc[-1]) == (
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-12-31", tz="UTC"),
    )


def test_a_longer_series_begins_with_the_shorter_one(hourly: Timeframe) -> None:
    """More bars of the same seed add to the end."""
    longer = synthetic_candles(3, hourly, date(2024, 1, 1), 300)
    pd.testing.assert_frame_equal(longer.head(200), synthetic_candles(3, hourly, date(2024, 1, 1), 200))


def test_another_seed_is_another_market(hourly: Timeframe) -> None:
    """Two seeds share no path."""
    one, two = (synthetic_candles(seed, hourly, date(2024, 1, 1), 100) for seed in (1, 2))
    assert (one["close"] != two["close"]).mean() > 0.9


def test_they_look_like_a_market(hourly: Timeframe) -> None:
    """Returns have fat tails, volatility clusters, volume follows moves, and prices lie on whole steps."""
    frame = synthetic_candles(5, hourly, date(2020, 1, 1), 30_000)
    moves = frame["close"].pct_change().dropna()
    assert moves.kurt() > 1.0
    assert moves.abs().autocorr(1) > 0.1
    assert moves.abs().corr(frame["volume"].iloc[1:]) > 0.4
    assert (frame.loc[frame["low"] >= 2_000_000, PRICES] % 1_000 == 0).all(axis=None)


def test_none_are_none(daily: Timeframe) -> None:
    """No bars asked for, none made."""
    assert synthetic_candles(1, daily, date(2024, 1, 1), 0).empty
