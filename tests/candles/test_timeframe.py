"""Timeframes and Seoul days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.fields import TIMEFRAME_NAMES
from coin_pipeline.candles.timeframe import DAY_NS, TIMEFRAMES, day_range, parse_legacy_timeframe, parse_timeframe
from coin_pipeline.cli import options
from coin_pipeline.errors import InvalidTimeframe

DAYS = st.dates(date(1990, 1, 1), date(2200, 1, 1))


NAMES = ["1m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"]


def test_timeframes_are_ordered_by_length() -> None:
    """Upbit's ten, and the three that are resampled; help texts list all of them."""
    assert list(TIMEFRAMES) == NAMES
    assert [timeframe.name for timeframe in TIMEFRAMES.values() if timeframe.base] == ["2h", "6h", "12h"]
    assert [" ".join(NAMES)] * 2 == [TIMEFRAME_NAMES, options.TIMEFRAMES]
    assert sorted(TIMEFRAMES.values(), key=lambda timeframe: timeframe.ns) == list(TIMEFRAMES.values())


@pytest.mark.parametrize("name", TIMEFRAMES)
def test_both_spellings_are_equivalent_in_backtest_requests(name: str) -> None:
    """The legacy upper-case spelling is the same timeframe, and names its folder."""
    assert parse_legacy_timeframe(name.upper()) is parse_legacy_timeframe(name) is parse_timeframe(name)
    assert parse_timeframe(name).folder == name.upper()
    assert str(parse_timeframe(name)) == name


@pytest.mark.parametrize("text", ["1M", "3M", "5M", "15M", "30M"])
def test_upper_case_m_is_months(text: str) -> None:
    """Outside the requests of legacy clients it is not read as minutes, and the message contains the reason."""
    minutes = f"{text[:-1]}m is {text[:-1]} min; months are not supported"
    with pytest.raises(InvalidTimeframe, match=minutes):
        parse_timeframe(text)
    assert parse_timeframe(text.lower()).folder == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("60m", "did you mean '1h'"),
        ("240m", "did you mean '4h'"),
        ("24h", "did you mean '1d'"),
        ("7d", "did you mean '1w'"),
        ("1hour", "did you mean '1h'"),
        ("15min", "did you mean '15m'"),
        ("1mo", "months are not supported"),
        ("2M", "m is minutes; months are not supported"),
    ],
)
def test_other_names_of_a_length_suggest_its_timeframe(text: str, hint: str) -> None:
    """Names that other programs use for it."""
    with pytest.raises(InvalidTimeframe, match=hint):
        parse_timeframe(text)


@pytest.mark.parametrize("text", ["", "2d", "1", "d1", "1 d", "1M0", "60m", "1d\n", "../1d", "\uff11d", "1mo"])
def test_other_lengths_are_rejected(text: str) -> None:
    """The message lists the supported ones."""
    with pytest.raises(InvalidTimeframe, match=", ".join(NAMES)):
        parse_timeframe(text)


@pytest.mark.parametrize(("name", "bars"), [("1m", 525_600), ("1h", 8_760), ("1d", 365), ("1w", 365 / 7)])
def test_a_year_has_365_days_of_24_hours(name: str, bars: float) -> None:
    """Bars per year follow from it."""
    assert parse_timeframe(name).bars_per_year == pytest.approx(bars, rel=1e-15)


def test_weeks_open_on_monday() -> None:
    """The first week after the epoch opens on Monday 00:00 UTC."""
    opens = datetime.fromtimestamp(parse_timeframe("1w").phase_ns / 1e9, UTC)
    assert (opens.weekday(), opens.hour) == (0, 0)


@given(start=DAYS, length=st.integers(0, 4_000))
def test_a_day_range_covers_whole_seoul_days(start: date, length: int) -> None:
    """It starts at midnight in Seoul and covers all days, both inclusive, of 24 hours each."""
    begin, stop = day_range(start, start + timedelta(days=length))
    midnight = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo("Asia/Seoul"))
    assert begin == int(midnight.timestamp()) * 10**9
    assert stop - begin == (length + 1) * DAY_NS


@given(day=DAYS)
def test_adjacent_days_share_an_instant(day: date) -> None:
    """One day ends where the next begins."""
    assert day_range(day, day)[1] == day_range(day + timedelta(days=1), day)[0]


@pytest.mark.parametrize("day", [date.min, date.max])
def test_extreme_days_are_clamped_to_int64(day: date) -> None:
    """The calendar's first and last day are outside the range of int64 ns."""
    begin, stop = day_range(day, day)
    assert -(2**63) < begin <= stop < 2**63
