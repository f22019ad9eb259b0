"""Price rules, order and spacing of candles."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, Timeframe, parse_timeframe
from coin_pipeline.candles.validation import check_length, check_prices, check_spacing, check_times
from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE
from coin_pipeline.errors import InvalidCandles, InvalidInput

MIDNIGHT = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z, a Monday


def hours(*numbers: int) -> npt.NDArray[np.int64]:
    """Return opens, in hours after midnight."""
    return MIDNIGHT + HOUR_NS * np.array(numbers, dtype=np.int64)


def label(number: int) -> str:
    """Return the name of a row."""
    return f"row {number + 1}"


def candles(n: int, **last: float) -> OHLCV:
    """Return n valid candles, the last one with these values."""
    valid = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.0}
    columns = {name: np.full(n, value) for name, value in valid.items()}
    for name, value in last.items():
        columns[name][-1] = value
    return OHLCV(time=hours(*range(n)), **columns)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"open": math.nan}, "open nan, not a finite number"),
        ({"high": math.inf}, "high inf, not a finite number"),
        ({"low": -math.inf}, "low -inf, not a finite number"),
        ({"close": math.nan}, "close nan, not a finite number"),
        ({"volume": math.nan}, "volume nan, not a finite number"),
        ({"volume": math.inf}, "volume inf, not a finite number"),
        ({"low": 0.0}, "low 0.0, not above 0"),
        ({"open": -1.0, "low": -1.0}, "open -1.0, not above 0"),
        ({"volume": -1e-9}, "volume -1e-09, below 0"),
        ({"low": 1e-320}, "low 1e-320, not between 1e-18 and 1e[+]18"),
        ({"high": 1.7e308}, "high 1.7e[+]308, not between 1e-18 and 1e[+]18"),
        ({"volume": 1e25}, "volume 1e[+]25, above 1e[+]24"),
        ({"high": 10.5}, "close 11.0 above its high 10.5"),
        ({"open": 13.0}, "open 13.0 above its high 12.0"),
        ({"low": 10.5}, "open 10.0 below its low 10.5"),
        ({"close": 8.0}, "close 8.0 below its low 9.0"),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 70_000])
def test_impossible_prices_are_named(n: int, last: dict[str, float], reason: str) -> None:
    """The error contains row, time and value."""
    with pytest.raises(InvalidCandles, match=rf"^candles: here: 1 invalid row, the first: row {n} at 20.* {reason}"):
        check_prices("here", candles(n, **last), label)


@pytest.mark.parametrize("last", [{}, {"volume": 0.0}, {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0}])
def test_valid_prices_pass(last: dict[str, float]) -> None:
    """Candles without volume or movement are valid."""
    check_prices("here", candles(3, **last), label)
    check_prices("here", candles(3).rows(slice(0)), label)


def test_bounds_are_valid() -> None:
    """The smallest and the largest price and the largest volume are inclusive."""
    check_prices("here", candles(1, low=MIN_PRICE, high=MAX_PRICE, volume=MAX_VOLUME), label)


def test_impossible_prices_are_counted() -> None:
    """The message contains the number of invalid rows and the first."""
    columns = candles(5)
    columns.volume[[1, 3]] = -1.0
    with pytest.raises(InvalidCandles, match="2 invalid rows, the first: row 2 at 2024-01-01T01:00:00Z"):
        check_prices("here", columns, label)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [((0, 1, 1), "row 3 at 2024-01-01T01:00:00Z repeats"), ((0, 2, 1), "row 3 at 2024-01-01T01:00:00Z is earlier")],
)
def test_times_that_do_not_increase_are_named(numbers: tuple[int, ...], reason: str) -> None:
    """The message distinguishes repeated and earlier times."""
    with pytest.raises(InvalidCandles, match=reason):
        check_times("here", hours(*numbers), label)


def test_spacing_must_fit_the_timeframe(daily: Timeframe) -> None:
    """Hourly rows are not daily candles; rows whole days apart, at any hour, are."""
    with pytest.raises(
        InvalidCandles, match=r"3 invalid rows, .* row 2 at .* opens 1 h after .* does not fit timeframe 1d; is it 1h\?"
    ):
        check_spacing("here", hours(0, 1, 2, 3), daily)
    check_spacing("here", hours(15, 39, 87), daily)
    check_spacing("here", hours(5), daily)
    check_spacing("here", hours(), daily)


def test_the_row_off_the_grid_is_named_as_in_the_file(hourly: Timeframe) -> None:
    """Not its place among the sorted rows, and not the row after it."""
    time = np.sort(np.append(hours(0, 1, 2, 4, 5), hours(3) + 30 * MINUTE_NS))
    with pytest.raises(InvalidCandles, match="1 invalid row, the first: row 3 at 2024-01-01T03:30:00Z opens 30 min"):
        check_spacing("here", time, hourly, rows=np.arange(6, 0, -1))


@pytest.mark.parametrize(
    ("name", "opens", "message"),
    [
        ("1h", (0, 24, 48), "no two rows are 1 h apart, so they are not 1h candles; is it 1d"),
        ("1h", (0, 24), "no two rows are 1 h apart, so they are not 1h candles; is it 1d"),
        ("1h", (0, 24, 25, 49, 73, 97), "most rows are 1 d apart, so they are not 1h candles; is it 1d"),
        ("1d", (0, 31 * 24, 60 * 24), "no two rows are 1 d apart, so they are not 1d candles; months are not"),
        ("1d", (0, 31 * 24), "months are not supported"),
        ("1d", (0, 72, 144), "no two rows are 1 d apart, so they are not 1d candles; the closest are 3 d apart"),
    ],
)
def test_longer_candles_on_the_same_grid_are_rejected(name: str, opens: tuple[int, ...], message: str) -> None:
    """A multiple of the timeframe between all rows is not enough."""
    with pytest.raises(InvalidInput, match=message):
        check_length("here", hours(*opens), parse_timeframe(name))


@pytest.mark.parametrize("opens", [(), (5,), (0, 1, 2), (0, 1, 7, 9), (0, 3), (0, 3, 4)])
def test_candles_with_gaps_fit_their_timeframe(hourly: Timeframe, opens: tuple[int, ...]) -> None:
    """Missing candles are allowed, and so is a pair with a gap between."""
    check_length("here", hours(*opens), hourly)
