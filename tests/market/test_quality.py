"""The rules of a row, the grid of a timeframe, and coverage."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.errors import InvalidCandles
from coin_pipeline.market.coverage import coverage
from coin_pipeline.market.quality import Columns, check_prices, check_spacing, check_times
from coin_pipeline.market.timeframe import DAY_NS, HOUR_NS, Timeframe, parse_timeframe

MIDNIGHT = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z, a Monday


def hours(*numbers: int) -> npt.NDArray[np.int64]:
    """Return opens so many hours after midnight."""
    return MIDNIGHT + HOUR_NS * np.array(numbers, dtype=np.int64)


def row(number: int) -> str:
    """Call a row by its number."""
    return f"row {number + 1}"


def candles(n: int, **last: float) -> Columns:
    """Return n sound candles, the last one with these values."""
    sound = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.0}
    columns = {name: np.full(n, value) for name, value in sound.items()}
    for name, value in last.items():
        columns[name][-1] = value
    return Columns(time=hours(*range(n)), **columns)


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
    with pytest.raises(
        InvalidCandles, match=rf"^candles: here: 1 row is impossible, the first: row {n} at 20.* {reason}"
    ):
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
    with pytest.raises(InvalidCandles, match="2 rows are impossible, the first: row 2 at 2024-01-01T01:00:00Z"):
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
    with pytest.raises(InvalidCandles, match=r"3 rows are .* row 2 at .*: spacing of 1 h does not fit timeframe 1d"):
        check_spacing("here", hours(0, 1, 2, 3), daily)
    check_spacing("here", hours(15, 39, 87), daily)
    check_spacing("here", hours(5), daily)
    check_spacing("here", hours(), daily)


def test_gaps_are_found_where_they_are(hourly: Timeframe) -> None:
    """Missing candles before, between and after those present are gaps, with their half-open extent."""
    found = coverage(hours(1, 2, 5), hourly, MIDNIGHT, MIDNIGHT + 8 * HOUR_NS)
    assert (found.expected, found.present, found.off_grid, found.ratio) == (8, 3, 0, 3 / 8)
    assert [(gap.start - MIDNIGHT, gap.end - MIDNIGHT, gap.missing) for gap in found.gaps] == [
        (0, HOUR_NS, 1),
        (3 * HOUR_NS, 5 * HOUR_NS, 2),
        (6 * HOUR_NS, 8 * HOUR_NS, 2),
    ]
    assert (found.first, found.last) == (MIDNIGHT + HOUR_NS, MIDNIGHT + 5 * HOUR_NS)


def test_nothing_present_is_one_gap(daily: Timeframe) -> None:
    """Without candles the whole range is missing, and there is no first one."""
    found = coverage(hours(), daily, MIDNIGHT, MIDNIGHT + 3 * DAY_NS)
    assert (found.expected, found.present, found.ratio, found.first, found.last) == (3, 0, 0.0, None, None)
    assert [gap.missing for gap in found.gaps] == [3]


def test_an_empty_range_is_covered(daily: Timeframe) -> None:
    """Where no candle can open none is missing."""
    found = coverage(hours(0, 24), daily, MIDNIGHT + HOUR_NS, MIDNIGHT + 2 * HOUR_NS)
    assert (found.expected, found.ratio, found.gaps) == (0, 1.0, ())


def test_the_grid_is_that_of_the_candles(daily: Timeframe) -> None:
    """Daily candles that open at 15:00 UTC are complete, and a stray one at midnight is off their grid."""
    found = coverage(hours(15, 24, 39, 63), daily, MIDNIGHT, MIDNIGHT + 3 * DAY_NS)
    assert (found.expected, found.present, found.off_grid, found.gaps) == (3, 3, 1, ())


def test_weeks_are_expected_on_mondays() -> None:
    """Without candles a week opens on Monday 00:00 UTC."""
    weekly = parse_timeframe("1w")
    assert coverage(hours(), weekly, MIDNIGHT, MIDNIGHT + 1).expected == 1
    assert coverage(hours(), weekly, MIDNIGHT + 1, MIDNIGHT + 7 * DAY_NS).expected == 0


@given(present=st.sets(st.integers(0, 40)), begin=st.integers(-3, 20), length=st.integers(0, 30))
def test_gaps_account_for_every_missing_candle(present: set[int], begin: int, length: int) -> None:
    """Expected is present plus what the gaps miss, and gaps hold no candle."""
    hourly = parse_timeframe("1h")
    time = hours(*sorted(present))
    found = coverage(time, hourly, MIDNIGHT + begin * HOUR_NS, MIDNIGHT + (begin + length) * HOUR_NS)
    assert found.expected == length
    assert found.present == len(present & set(range(begin, begin + length)))
    assert found.expected - found.present == sum(gap.missing for gap in found.gaps)
    assert not any(((time >= gap.start) & (time < gap.end)).any() for gap in found.gaps)
