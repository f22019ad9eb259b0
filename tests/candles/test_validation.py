"""The rules of a row and the grid of a timeframe."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe
from coin_pipeline.candles.validation import check_prices, check_spacing, check_times
from coin_pipeline.errors import InvalidCandles

MIDNIGHT = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z, a Monday


def hours(*numbers: int) -> npt.NDArray[np.int64]:
    """Return opens so many hours after midnight."""
    return MIDNIGHT + HOUR_NS * np.array(numbers, dtype=np.int64)


def row(number: int) -> str:
    """Call a row by its number."""
    return f"row {number + 1}"


def candles(n: int, **last: float) -> OHLCV:
    """Return n sound candles, the last one with these values."""
    sound = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.0}
    columns = {name: np.full(n, value) for name, value in sound.items()}
    for name, value in last.items():
        columns[name][-1] = value
    return OHLCV(time=hours(*range(n)), **columns)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"open": math.nan}, "open nan, not a number"),
        ({"high": math.inf}, "high inf, not a number"),
        ({"low": -math.inf}, "low -inf, not a number"),
        ({"close": math.nan}, "close nan, not a number"),
        ({"volume": math.nan}, "volume nan, not a number"),
        ({"volume": math.inf}, "volume inf, not a number"),
        ({"low": 0.0}, "low 0.0, not above 0"),
        ({"open": -1.0, "low": -1.0}, "open -1.0, not above 0"),
        ({"volume": -1e-9}, "volume -1e-09, below 0"),
        ({"high": 10.5}, "close 11.0 above its high 10.5"),
        ({"open": 13.0}, "open 13.0 above its high 12.0"),
        ({"low": 10.5}, "open 10.0 below its low 10.5"),
        ({"close": 8.0}, "close 8.0 below its low 9.0"),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 70_000])
def test_impossible_prices_are_named(n: int, last: dict[str, float], reason: str) -> None:
    """A row that breaks a rule is refused with its number, time and value, wherever it stands."""
    with pytest.raises(InvalidCandles, match=rf"^candles: here: 1 invalid row, the first: row {n} at 20.* {reason}"):
        check_prices("here", candles(n, **last), row)


@pytest.mark.parametrize("last", [{}, {"volume": 0.0}, {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0}])
def test_sound_prices_pass(last: dict[str, float]) -> None:
    """No volume, and no movement, are possible."""
    check_prices("here", candles(3, **last), row)
    check_prices("here", candles(3).rows(slice(0)), row)


def test_impossible_prices_are_counted() -> None:
    """The message counts every bad row and shows the first."""
    columns = candles(5)
    columns.volume[[1, 3]] = -1.0
    with pytest.raises(InvalidCandles, match="2 invalid rows, the first: row 2 at 2024-01-01T01:00:00Z"):
        check_prices("here", columns, row)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [((0, 1, 1), "row 3 at 2024-01-01T01:00:00Z repeats"), ((0, 2, 1), "row 3 at 2024-01-01T01:00:00Z is earlier")],
)
def test_times_that_do_not_increase_are_named(numbers: tuple[int, ...], reason: str) -> None:
    """A repeated or an earlier time is refused, and which of the two is said."""
    with pytest.raises(InvalidCandles, match=reason):
        check_times("here", hours(*numbers), row)


def test_spacing_must_fit_the_timeframe(daily: Timeframe) -> None:
    """Hourly rows are no daily candles; whole days apart, at any hour, are."""
    with pytest.raises(
        InvalidCandles, match=r"3 invalid rows, .* row 2 at .*: spacing of 1 h does not fit timeframe 1d"
    ):
        check_spacing("here", hours(0, 1, 2, 3), daily)
    check_spacing("here", hours(15, 39, 87), daily)
    check_spacing("here", hours(5), daily)
    check_spacing("here", hours(), daily)
