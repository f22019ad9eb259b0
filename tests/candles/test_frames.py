"""Conversion between DataFrames and OHLCV."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.candles.frames import from_frame, to_frame
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidCandleFile
from tests.candle_data import synthetic_frame


def test_a_round_trip_is_exact(daily: Timeframe) -> None:
    """A frame has times in UTC and float64 columns, and converts back to the same arrays."""
    candles = synthetic_candles(1, daily, date(2024, 1, 1), 50)
    frame = to_frame(candles)
    assert frame["timestamp"].dtype == "datetime64[ns, UTC]"
    assert frame["timestamp"].iloc[0] == pd.Timestamp("2024-01-01", tz="UTC")
    for column, expected in zip(from_frame(frame), candles, strict=True):
        np.testing.assert_array_equal(column, expected)
        assert column.dtype == expected.dtype


def test_an_empty_frame_has_no_candles() -> None:
    """Types are kept without rows."""
    assert [column.dtype for column in from_frame(to_frame(OHLCV.empty()))] == [
        column.dtype for column in OHLCV.empty()
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"low": None}, "DataFrame: has no column low; required are timestamp, open"),
        ({"timestamp": pd.Timestamp("2024-01-01")}, "have no time zone"),
        ({"close": "11"}, "its column close is of type"),
    ],
)
def test_malformed_frames_are_rejected(daily: Timeframe, change: dict[str, object], reason: str) -> None:
    """The error names the column."""
    frame = synthetic_frame(1, daily, date(2024, 1, 1), 1).assign(**change)
    frame = frame.drop(columns=[name for name, value in change.items() if value is None])
    with pytest.raises(InvalidCandleFile, match=reason):
        from_frame(frame)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"volume": 2**53 + 1},
            r"row 1: volume 9007199254740993 exceeds 2\^53, the largest exact float64; store it as",
        ),
        ({"timestamp": np.datetime64("9999-01-01T00:00:00", "s")}, "its times have no time zone"),
        ({"timestamp": pd.Timestamp("9999-01-01", tz="UTC").as_unit("s")}, "has times outside the years 1677 to 2262"),
    ],
)
def test_values_that_cannot_be_stored_are_rejected(daily: Timeframe, change: dict[str, object], reason: str) -> None:
    """The error names the value or the column, in words of our own."""
    frame = synthetic_frame(1, daily, date(2024, 1, 1), 1).assign(**change)
    with pytest.raises(InvalidCandleFile, match=reason):
        from_frame(frame)


def test_columns_of_mixed_types_are_rejected(daily: Timeframe) -> None:
    """The error names the column."""
    frame = synthetic_frame(1, daily, date(2024, 1, 1), 2)
    with pytest.raises(InvalidCandleFile, match="has values of several types in the column open; store numbers"):
        from_frame(frame.assign(open=pd.Series(["1", 2.0], dtype=object)))
