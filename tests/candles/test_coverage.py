"""Coverage of a range, and classification of its missing candles."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.coverage import coverage, phase_of
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, Timeframe, parse_timeframe

MIDNIGHT = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z, a Monday


def hours(*numbers: int) -> npt.NDArray[np.int64]:
    """Return opens, in hours after midnight."""
    return MIDNIGHT + HOUR_NS * np.array(numbers, dtype=np.int64)


def test_gaps_are_located(hourly: Timeframe) -> None:
    """Candles missing before, between and after the present ones are gaps with half-open extent."""
    result = coverage(hours(1, 2, 5), hourly, MIDNIGHT, MIDNIGHT + 8 * HOUR_NS)
    assert (result.expected, result.present, result.off_grid, result.ratio) == (8, 3, 0, 3 / 8)
    assert [(gap.start - MIDNIGHT, gap.end - MIDNIGHT, gap.missing) for gap in result.gaps] == [
        (0, HOUR_NS, 1),
        (3 * HOUR_NS, 5 * HOUR_NS, 2),
        (6 * HOUR_NS, 8 * HOUR_NS, 2),
    ]
    assert (result.first, result.last) == (MIDNIGHT + HOUR_NS, MIDNIGHT + 5 * HOUR_NS)


def test_no_candles_are_one_gap(daily: Timeframe) -> None:
    """The whole range is missing, and there is no first candle."""
    result = coverage(hours(), daily, MIDNIGHT, MIDNIGHT + 3 * DAY_NS)
    assert (result.expected, result.present, result.ratio, result.first, result.last) == (3, 0, 0.0, None, None)
    assert [gap.missing for gap in result.gaps] == [3]


def test_an_empty_range_is_covered(daily: Timeframe) -> None:
    """No candle can open in it, so none is missing."""
    result = coverage(hours(0, 24), daily, MIDNIGHT + HOUR_NS, MIDNIGHT + 2 * HOUR_NS)
    assert (result.expected, result.ratio, result.gaps) == (0, 1.0, ())


def test_the_grid_follows_the_candles(daily: Timeframe) -> None:
    """Daily candles from 15:00 UTC are complete, and one at midnight is off their grid."""
    result = coverage(hours(15, 24, 39, 63), daily, MIDNIGHT, MIDNIGHT + 3 * DAY_NS)
    assert (result.expected, result.present, result.off_grid, result.gaps) == (3, 3, 1, ())


def test_weeks_are_expected_on_mondays() -> None:
    """Without candles, weeks open on Monday 00:00 UTC."""
    weekly = parse_timeframe("1w")
    assert coverage(hours(), weekly, MIDNIGHT, MIDNIGHT + 1).expected == 1
    assert coverage(hours(), weekly, MIDNIGHT + 1, MIDNIGHT + 7 * DAY_NS).expected == 0


@given(present=st.sets(st.integers(0, 40)), begin=st.integers(-3, 20), length=st.integers(0, 30))
def test_gaps_account_for_every_missing_candle(present: set[int], begin: int, length: int) -> None:
    """Expected equals present plus missing, and gaps contain no candle."""
    hourly = parse_timeframe("1h")
    time = hours(*sorted(present))
    result = coverage(time, hourly, MIDNIGHT + begin * HOUR_NS, MIDNIGHT + (begin + length) * HOUR_NS)
    assert result.expected == length
    assert result.present == len(present & set(range(begin, begin + length)))
    assert result.expected - result.present == sum(gap.missing for gap in result.gaps)
    assert not any(((time >= gap.start) & (time < gap.end)).any() for gap in result.gaps)


def test_a_missing_candle_that_was_fetched_had_no_trade(hourly: Timeframe) -> None:
    """Only candles entirely within a fetched interval are known not to exist; they count as known."""
    fetched = [(MIDNIGHT + 3 * HOUR_NS, MIDNIGHT + 5 * HOUR_NS), (MIDNIGHT + 6 * HOUR_NS, MIDNIGHT + 8 * HOUR_NS - 1)]
    result = coverage(hours(1, 2, 5), hourly, MIDNIGHT, MIDNIGHT + 8 * HOUR_NS, fetched)
    assert (result.expected, result.present, result.no_trade, result.not_fetched) == (8, 3, 3, 2)
    assert result.list_gaps(result.unfetched) == (
        (MIDNIGHT, MIDNIGHT + HOUR_NS, 1),
        (MIDNIGHT + 7 * HOUR_NS, MIDNIGHT + 8 * HOUR_NS, 1),
    )
    assert (result.ratio, result.known_ratio, result.verdict) == (3 / 8, 6 / 8, "insufficient")


@pytest.mark.parametrize(
    ("fetched_hours", "verdict"), [(10, "complete"), (9, "gaps"), (8, "insufficient"), (0, "insufficient")]
)
def test_the_verdict_depends_on_known_candles(fetched_hours: int, verdict: str, hourly: Timeframe) -> None:
    """All known is complete, nine tenths are enough; trades do not matter."""
    result = coverage(
        hours(), hourly, MIDNIGHT, MIDNIGHT + 10 * HOUR_NS, [(MIDNIGHT, MIDNIGHT + fetched_hours * HOUR_NS)]
    )
    assert (result.no_trade, result.verdict) == (fetched_hours, verdict)


def test_the_phase_is_that_of_most_candles(daily: Timeframe) -> None:
    """Runs count by their length, and disagreement is reported."""
    assert phase_of(hours(15, 39, 63), daily) == (15 * HOUR_NS, True)
    assert phase_of(hours(15, 39, 63, 72, 96), daily) == (15 * HOUR_NS, False)
    assert phase_of(hours(15, 24, 48, 72, 159), daily) == (0, False)
    assert phase_of(hours(), parse_timeframe("1w")) == (4 * DAY_NS, True)


@given(
    present=st.sets(st.integers(0, 40)),
    begin=st.integers(-3, 20),
    length=st.integers(0, 30),
    edges=st.lists(st.integers(-200, 2600), max_size=8, unique=True).map(sorted),
)
def test_missing_candles_are_classified_like_a_slow_reference(
    present: set[int], begin: int, length: int, edges: list[int]
) -> None:
    """Counts and unfetched intervals equal those of checking candle by candle."""
    hourly = parse_timeframe("1h")
    minutes = [MIDNIGHT + minute * MINUTE_NS for minute in edges[: len(edges) // 2 * 2]]
    fetched = [*zip(minutes[::2], minutes[1::2], strict=True)]
    result = coverage(
        hours(*sorted(present)), hourly, MIDNIGHT + begin * HOUR_NS, MIDNIGHT + (begin + length) * HOUR_NS, fetched
    )
    missing = [MIDNIGHT + hour * HOUR_NS for hour in range(begin, begin + length) if hour not in present]
    unknown = [ns for ns in missing if not any(start <= ns and ns + HOUR_NS <= end for start, end in fetched)]
    assert (result.not_fetched, result.no_trade) == (len(unknown), len(missing) - len(unknown))
    listed = [ns for gap in result.list_gaps(result.unfetched) for ns in range(gap.start, gap.end, HOUR_NS)]
    assert listed == unknown
