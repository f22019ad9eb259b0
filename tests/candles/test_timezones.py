"""Calendar days of any time zone, and the names of time zones."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import HOUR_NS, SECOND_NS, SEOUL, day_of, day_range, parse_timeframe, utc
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.errors import InvalidInput

ZONES = ["UTC", SEOUL, "America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
DAYS = st.dates(date(1990, 1, 1), date(2200, 1, 1))
HOURLY = parse_timeframe("1h")


@pytest.mark.parametrize(
    ("zone", "day", "first", "hours"),
    [
        ("UTC", date(2024, 3, 10), "2024-03-10T00:00", 24),
        (SEOUL, date(2024, 3, 10), "2024-03-09T15:00", 24),
        ("America/New_York", date(2024, 3, 9), "2024-03-09T05:00", 24),
        ("America/New_York", date(2024, 3, 10), "2024-03-10T05:00", 23),
        ("America/New_York", date(2024, 11, 3), "2024-11-03T04:00", 25),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),  # clocks skip midnight
        ("America/Havana", date(2023, 11, 5), "2023-11-05T04:00", 25),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),  # the day does not exist
    ],
)
def test_a_day_lasts_from_its_first_instant_to_that_of_the_next(zone: str, day: date, first: str, hours: int) -> None:
    """Days have 23 to 25 hours where clocks change."""
    begin, stop = day_range(day, day, zone)
    assert utc(begin) == datetime.fromisoformat(first).replace(tzinfo=UTC)
    assert (stop - begin) / HOUR_NS == hours


@given(st.sampled_from(ZONES), DAYS)
def test_days_of_a_zone_leave_no_gap(zone: str, day: date) -> None:
    """The end of a day is the start of the next one, and instants within it have its date."""
    begin, stop = day_range(day, day, zone)
    following = day + timedelta(days=1)
    assert day_range(following, following, zone)[0] == stop
    assert day_range(day, following, zone) == (begin, day_range(following, following, zone)[1])
    if begin < stop:
        assert [day_of(utc(begin), zone), day_of(utc(stop - SECOND_NS), zone)] == [day, day]


def test_seoul_days_are_those_of_the_time_zone_database() -> None:
    """The constant offset of Seoul agrees with its zone since the first market."""
    for day in (date(2009, 1, 3), date(2024, 7, 1)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(SEOUL))
        assert utc(day_range(day, day)[0]) == midnight


@pytest.mark.parametrize(("zone", "opens"), [("UTC", 0), (SEOUL, -9), ("America/New_York", 5)])
def test_the_days_at_the_end_of_a_year_are_read_whole(tmp_path: Path, zone: str, opens: int) -> None:
    """A day that ends in the next year in UTC is read from both files."""
    start = np.datetime64("2023-12-30", "ns").astype(np.int64)
    price = np.ones(96)
    catalog = CandleCatalog(tmp_path)
    catalog.merge("BTC_USDT", HOURLY, OHLCV(start + HOUR_NS * np.arange(96), price, price, price, price, price))
    bars = catalog.read("BTC_USDT", HOURLY, date(2023, 12, 31), date(2023, 12, 31), zone)
    assert len(bars) == 24
    assert (bars.time[0] - start) // HOUR_NS == 24 + opens


@pytest.mark.parametrize("name", ["UTC", "Asia/Seoul", "America/New_York", "Etc/GMT-9"])
def test_names_of_the_time_zone_database_are_accepted(name: str) -> None:
    """A name is kept as it is."""
    assert parse_timezone(name) == name


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("KST", "Asia/Seoul"),
        ("seoul", "Asia/Seoul"),
        ("asia/seoul", "Asia/Seoul"),
        ("Asia/Soul", "Asia/Seoul"),
        ("utc", "UTC"),
        ("new york", "America/New_York"),
        ("Z", "UTC"),
    ],
)
def test_other_names_suggest_the_likely_zone(name: str, likely: str) -> None:
    """The message has the name, the likely one, and the form of a name."""
    with pytest.raises(InvalidInput, match=rf"^timezone: '{name}' is not a time zone .did you mean '{likely}'"):
        parse_timezone(name)


@pytest.mark.parametrize("name", ["", "+09:00", "../UTC", "/etc/passwd", "Mars/Olympus", "Asia", "UTC\0", "localtime"])
def test_anything_else_is_refused(name: str) -> None:
    """Offsets, paths and folders are not names."""
    with pytest.raises(InvalidInput, match="is not a time zone"):
        parse_timezone(name)


@pytest.mark.parametrize("value", [None, 9, ["UTC"]])
def test_what_is_not_text_is_refused(value: Any) -> None:  # noqa: ANN401 -- a notebook may pass anything
    """A notebook may pass anything."""
    with pytest.raises(InvalidInput, match=r"^timezone: .* is not the name of a time zone, such as 'Asia/Seoul'"):
        parse_timezone(value)
