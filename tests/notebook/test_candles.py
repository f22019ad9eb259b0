"""Candle arguments: what frames may look like, and errors that name what was found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coin_pipeline as cp
from coin_pipeline.errors import CoinError, InvalidCandles, InvalidInput
from coin_pipeline.notebook.candles import bars_from_frame, example_candles

NAME = "volume_zone_breakout"
CANDLES = example_candles(days=100)


@pytest.mark.parametrize(
    "frame",
    [
        CANDLES.reset_index(),
        CANDLES.reset_index().rename(columns={"timestamp": "Date"}),
        CANDLES.rename(columns=str.upper).assign(extra="ignored"),
        CANDLES.tz_convert("Asia/Seoul"),
        CANDLES.tz_convert("America/New_York")[::-1],
        CANDLES.set_axis(CANDLES.index.as_unit("s")),
        CANDLES.astype("float32").astype("float64").where(lambda f: f < 0, CANDLES),
    ],
    ids=["column", "date", "upper case", "Seoul", "New York, latest first", "seconds", "mixed"],
)
def test_frames_of_any_layout_are_the_same_candles(frame: pd.DataFrame) -> None:
    """Index or column, letter case, zone, order and unit do not matter."""
    expected, found = bars_from_frame("A_KRW", CANDLES), bars_from_frame("A_KRW", frame)
    for column in ("time", "open", "high", "low", "close", "volume"):
        assert (getattr(expected, column) == getattr(found, column)).all()


def test_naive_times_need_a_zone() -> None:
    """A zone is never guessed; `tz=` places naive times."""
    naive = CANDLES.tz_convert("Asia/Seoul").tz_localize(None)
    with pytest.raises(InvalidInput, match="times without a time zone; localize them or pass tz="):
        bars_from_frame("A_KRW", naive)
    assert (bars_from_frame("A_KRW", naive, "Asia/Seoul").time == bars_from_frame("A_KRW", CANDLES).time).all()
    with pytest.raises(InvalidInput, match="'Soul' is not a time zone"):
        cp.run_backtest(NAME, naive, tz="Soul")


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2024-11-03 01:30", "A_KRW, row 1: the time 2024-11-03 01:30:00 occurs twice in America/New_York"),
        ("2024-03-10 02:30", "A_KRW, row 1: the time 2024-03-10 02:30:00 does not exist in America/New_York"),
    ],
)
def test_times_that_a_clock_change_repeats_or_skips_are_rejected(time: str, reason: str) -> None:
    """The error gives the time and no advice on pandas."""
    frame = CANDLES.iloc[:1].set_axis(pd.DatetimeIndex([time]))
    with pytest.raises(InvalidInput, match=f"{reason}[^']*write times in UTC or with an offset$"):
        bars_from_frame("A_KRW", frame, "America/New_York")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (CANDLES.drop(columns="close"), "no column close; columns found: open, high, low, volume"),
        (CANDLES.head(0), "has no rows"),
        (CANDLES.reset_index(drop=True), "needs a DatetimeIndex or exactly one column of timestamp"),
        (CANDLES.reset_index().astype({"timestamp": str}), "convert them with pandas.to_datetime"),
        (CANDLES.assign(close="high"), "not numeric"),
        (CANDLES.set_axis(CANDLES.index.where(CANDLES.index.day > 1)), "a row without a time"),
    ],
    ids=["column", "empty", "no time", "text", "numbers", "NaT"],
)
def test_a_frame_that_is_not_understood_names_what_was_found(frame: pd.DataFrame, message: str) -> None:
    """The error names the symbol and the columns, and belongs to the one family."""
    with pytest.raises(InvalidInput, match=message):
        cp.run_backtest(NAME, frame)


def test_invalid_candles_are_rejected() -> None:
    """Repeated times, prices that no market makes and odd distances are errors that name the row."""
    with pytest.raises(InvalidCandles, match="repeats"):
        bars_from_frame("A_KRW", pd.concat([CANDLES, CANDLES.tail(1)]))
    with pytest.raises(InvalidCandles, match="row 3"):
        bars_from_frame("A_KRW", CANDLES.assign(low=np.where(np.arange(100) == 2, -1.0, CANDLES["low"])))
    with pytest.raises(InvalidInput, match="pass timeframe="):
        cp.run_backtest(NAME, CANDLES.set_axis(CANDLES.index[0] + pd.to_timedelta(np.arange(100) * 7, unit="min")))
    with pytest.raises(InvalidCandles, match="does not fit timeframe 1w"):
        cp.run_backtest(NAME, CANDLES, timeframe="1w")


def test_other_arguments_are_rejected(tmp_path: Path) -> None:
    """Anything else is named, with what to pass instead."""
    for candles in (3, [], [1], {}, {"A_KRW": 3}):
        with pytest.raises((CoinError, TypeError)):
            cp.run_backtest(NAME, candles)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="A_KRW has no 1d candles"):
        cp.run_backtest(NAME, "A_KRW", catalog=cp.CandleCatalog(tmp_path))
    with pytest.raises(InvalidInput, match="pass start= instead"):
        cp.run_backtest(NAME, CANDLES, start_date="2024-01-01")
    with pytest.raises(InvalidInput, match="no day in common"):
        cp.run_backtest(NAME, {"A_KRW": CANDLES, "B_KRW": example_candles(days=9, start="2025-01-01")})
    with pytest.raises(InvalidInput, match="pass a registered name"):
        cp.run_backtest(3, CANDLES)  # type: ignore[arg-type]


def test_a_candle_that_is_still_open_is_left_out_with_a_warning() -> None:
    """Frames of pyupbit and ccxt end in one."""
    today = datetime.now(UTC).date()
    frame = cp.example_candles(days=31, start=today - timedelta(days=30))
    with pytest.warns(UserWarning, match=f"the candle of {today}T00:00:00Z is left out, because it is still open"):
        run = cp.run_backtest(NAME, frame)
    assert run.document["symbols"][0]["candles"]["rows"] == 30


@pytest.mark.parametrize(("timeframe", "message"), [("1h", "no two rows are 1 h apart"), ("1M", "months are not")])
def test_days_are_neither_hours_nor_months(timeframe: str, message: str) -> None:
    """A frame is checked like an imported file."""
    with pytest.raises(InvalidInput, match=message):
        cp.run_backtest(NAME, CANDLES, timeframe=timeframe)
