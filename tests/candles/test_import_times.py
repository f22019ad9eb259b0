"""Times in candle files: offsets, units, dates of several countries, and times at which candles close."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.imports.date_texts import parse_dates
from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.timeframe import format_utc, parse_timeframe
from coin_pipeline.errors import InvalidCandleFile

HEADER = "timestamp,open,high,low,close,volume"
PRICES = "100,110,90,105,5.5"
JANUARY_1 = "2024-01-01T00:00:00Z"
WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "0123456789.-"})
"""Full-width forms, as Korean and Japanese keyboards write them."""


def read(folder: Path, *stamps: str, header: str = HEADER, **options: Any) -> ImportedFile:  # noqa: ANN401
    """Read a file with valid candles at these times."""
    path = folder / "candles.csv"
    path.write_text("\n".join([header, *(f'"{stamp}",{PRICES}' for stamp in stamps)]) + "\n", encoding="utf-8")
    return read_candle_file(path, **options)


def opens(result: ImportedFile) -> list[str]:
    """Return the times of the candles."""
    return [format_utc(ns) for ns in result.candles.time]


@pytest.mark.parametrize("tz", [None, "Asia/Seoul", "America/New_York"])
@pytest.mark.parametrize(
    ("stamp", "instant"),
    [
        *(("2024-01-01 09:00:00+09", JANUARY_1), ("2024-01-01 09:00:00+9", JANUARY_1)),
        *(("2023-12-31 19:00:00-05", JANUARY_1), ("2024-01-01 00:00:00+00", JANUARY_1)),
        *(("2024-01-01 09:00:00 +09", JANUARY_1), ("2024-01-01 09:00:00 +09:00", JANUARY_1)),
        *(("2024-01-01 09:00:00+0900", JANUARY_1), ("2024-01-01T09:00+09:00", JANUARY_1)),
        *(("2024-01-01 00:00:00 Z", JANUARY_1), ("2024-01-01 00:00:00 UTC", JANUARY_1)),
        *(("2024-01-01 09:00:00 KST", JANUARY_1), ("2024-01-01 09:00 UTC+9", JANUARY_1)),
        *(("2024-01-01 05:30:00+05:30", JANUARY_1), ("2024-01-01 09:00:00+09:00:00", JANUARY_1)),
        *(("2023-12-31 19:00:00\N{MINUS SIGN}05:00", JANUARY_1), ("2023-12-31T19:00:00.000-0500", JANUARY_1)),
    ],
)
def test_an_offset_is_applied_once(tmp_path: Path, stamp: str, instant: str, tz: str | None) -> None:
    """With or without a zone for times that have none."""
    result = read(tmp_path, stamp, tz=tz)
    assert opens(result) == [instant]
    assert str(result.zone) == "UTC (each time has an offset)"


@settings(deadline=None)
@given(st.datetimes(datetime(2010, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_offsets_are_those_of_the_standard_library(time: datetime, minutes: int) -> None:
    """Every offset of whole minutes, in the spelling that only the careful parser reads."""
    zoned = time.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    local, offsets = parse_dates("file", pa.chunked_array([[f"{zoned:%Y/%m/%d %H:%M:%S %z}"]]), np.array([1]), None)
    assert offsets is not None
    assert int(local[0] - offsets[0]) == int(zoned.astimezone(UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("stamps", "reason"),
    [
        (["2024-01-01 09:00+09", "2024-01-01 10:00"], "2024-01-01 09:00[+]09 in row 1 and 2024-01-01 10:00 in row 2"),
        (["2024-01-01 09:00:00 +15"], "'2024-01-01 09:00:00 [+]15' has an offset of more than 14 hours"),
        (
            ["2024-01-01 09:00:00 EST"],
            "row 1: the time '2024-01-01 09:00:00 EST' has an unknown zone, EST; write an offset",
        ),
        (["2024-01-01 09:00 XM"], "has an unknown zone, XM; write an offset such as -05:00"),
        (["1704067200000", "1704070800000000"], "1704067200000 in row 1 and 1704070800000000 in row 2"),
        (["1.70407E+12"], "row 1: the time 1.70407E[+]12 was rounded by a spreadsheet; export it with all digits"),
        (["45292"], "row 1: the time 45292 is a day as Excel counts them; write dates as 2024-01-31"),
        (["20240101"], "row 1: the time 20240101 is a date in digits; write dates as 2024-01-31"),
        (["2024010109", "2024010110"], "row 1: the time 2024010109 is a date in digits"),
        (["202401010900"], "is a date in digits"),
        (["999999999"], "row 1: the time 999999999 is not an instant after 2000"),
        (["2024-02-29", "2024-02-30"], "row 2: the time '2024-02-30' does not exist"),
        (["2024-01-01", "yesterday"], "row 2: the time 'yesterday' cannot be read"),
        (["01/02/24"], "'01/02/24' cannot be read"),
        (["2024-01-01 13:00 PM"], "has an hour outside 1 to 12"),
        (["Foo 01, 2024"], "names no month"),
        (["2024-01-01T24:00"], "does not exist"),
    ],
)
def test_unclear_times_are_refused(tmp_path: Path, stamps: list[str], reason: str) -> None:
    """The error gives the row, the text and what to write."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(tmp_path, *stamps, tz="UTC")


@pytest.mark.parametrize(
    "stamp",
    [
        *("2024.01.31", "2024/1/31", "2024- 01- 31", "2024. 1. 31.", "2024년 01월 31일", "31.01.2024", "01/31/2024"),
        *("31/01/2024 00:00", "1/31/2024 12:00:00 AM", "Jan 31, 2024", "January 31, 2024", "31 Jan 2024"),
        *(
            "31-Jan-2024",
            "2024-01-31".translate(WIDE),
            "2024-01-31 오전 12:00:00",
            "20240131 000000",
            "2024-01-31 0:00",
        ),
        *("2024-01-31 00:00:00,000", "2024-01-31 12-AM", "1706659200", "1706659200.0", "1706659200000.0"),
    ],
)
def test_dates_of_several_countries(tmp_path: Path, stamp: str) -> None:
    """All are the same day."""
    assert opens(read(tmp_path, stamp, tz="UTC")) == ["2024-01-31T00:00:00Z"]


@pytest.mark.parametrize("tz", [None, "America/New_York"])
@pytest.mark.parametrize(
    ("name", "zone", "hour"),
    [
        *(("Gmt time", "UTC", 9), ("datetime_utc", "UTC", 9), ("Time (UTC)", "UTC", 9)),
        *(("candle_date_time_kst", "Asia/Seoul", 0), ("일시(KST)", "Asia/Seoul", 0), ("date_kst", "Asia/Seoul", 0)),
    ],
)
def test_the_name_of_the_column_can_contain_the_zone(
    tmp_path: Path, name: str, zone: str, hour: int, tz: str | None
) -> None:
    """It comes before the option, which is for times whose zone is unknown."""
    result = read(tmp_path, "2024-01-01 09:00", header=HEADER.replace("timestamp", name), tz=tz)
    assert opens(result) == [f"2024-01-01T{hour:02}:00:00Z"]
    assert result.zone == (zone, f"the name of the column {name}")


def test_afternoons(tmp_path: Path) -> None:
    """Noon, and hours after it."""
    result = read(tmp_path, "2024-01-01 오전 11:00", "2024-01-01 오후 12:00", "2024-01-01 오후 1:00", tz="UTC")
    assert [stamp[11:13] for stamp in opens(result)] == ["11", "12", "13"]


@pytest.mark.parametrize(("dates", "day"), [("dmy", "2024-02-01"), ("mdy", "2024-01-02")])
def test_the_order_of_day_and_month_is_proven_or_requested(tmp_path: Path, dates: str, day: str) -> None:
    """01/02/2024 throughout is refused without the option that the error names."""
    with pytest.raises(InvalidCandleFile, match=r"01/02/2024.*pass --columns dates=dmy or dates=mdy"):
        read(tmp_path, "01/02/2024", "02/02/2024", tz="UTC")
    assert opens(read(tmp_path, "01/02/2024", tz="UTC", columns={"dates": dates})) == [f"{day}T00:00:00Z"]


@pytest.mark.parametrize(
    ("stamps", "columns", "reason"),
    [
        (["13/02/2024", "02/14/2024"], {}, "writes the day first and second: 13/02/2024 in row 1 and 02/14/2024"),
        (["01/02/2024", "13/02/2024"], {"dates": "mdy"}, "row 2: the time '13/02/2024' contradicts --columns dates"),
    ],
)
def test_contradictory_dates_are_refused(
    tmp_path: Path, stamps: list[str], columns: Mapping[str, str], reason: str
) -> None:
    """With each other, or with the option."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(tmp_path, *stamps, tz="UTC", columns=columns)


CLOSES = {
    "1d": ("2024-01-01 23:59:59.999", "2024-01-02 23:59:59.999"),
    "1d to the second": ("2024-01-01 23:59:59", "2024-01-02 23:59:59"),
    "1d to the minute": ("2024-01-01 23:59", "2024-01-02 23:59"),
    "1d in Seoul": ("2024-01-01T23:59:59+09:00", "2024-01-02T23:59:59+09:00"),
    "1h": ("2024-01-01 00:59:59", "2024-01-01 01:59:59"),
    "1h in ms": ("1704070799999", "1704074399999"),
    "1m": ("2024-01-01 00:00:59", "2024-01-01 00:01:59"),
}


@pytest.mark.parametrize("name", CLOSES)
def test_closing_times_are_refused_or_converted(tmp_path: Path, name: str) -> None:
    """A candle stamped 23:59:59 opened a day before, not then."""
    with pytest.raises(
        InvalidCandleFile,
        match=r"with the times at which they close, such as 2024-01-01 \d\d:\d\d:\d\d; pass --stamps close",
    ):
        read(tmp_path, *CLOSES[name], tz="UTC")
    length = parse_timeframe(name[:2])
    first = read(tmp_path, *CLOSES[name], tz="UTC", stamps="close", timeframe=length).candles.time[0]
    assert format_utc(first) == ("2023-12-31T15:00:00Z" if "Seoul" in name else JANUARY_1)
    last_instant = read(tmp_path, *CLOSES[name], tz="UTC", stamps="open").candles.time[0]
    assert 0 < length.ns - (last_instant - first) <= 60_000_000_000


def test_a_missing_zone_and_closing_times_are_one_error(tmp_path: Path) -> None:
    """Both options are named at once."""
    with pytest.raises(InvalidCandleFile, match=r"pass --tz UTC or --tz Asia/Seoul, and --stamps close, because"):
        read(tmp_path, *CLOSES["1d to the second"])


def test_the_time_of_the_download_does_not_hide_closing_times(tmp_path: Path) -> None:
    """The last row of some downloads is stamped with it."""
    with pytest.raises(InvalidCandleFile, match="--stamps close"):
        read(tmp_path, "2024-01-01 23:59:59", "2024-01-02 23:59:59", "2024-01-03 13:22:00", tz="UTC")


def test_closing_times_without_a_mark_are_converted_on_request(tmp_path: Path) -> None:
    """01:00 as the end of an hour cannot be recognized, so it is taken as the open by default."""
    stamps = ("2024-01-01 01:00", "2024-01-01 02:00")
    assert opens(read(tmp_path, *stamps, tz="UTC", stamps="close"))[0] == JANUARY_1
    assert opens(read(tmp_path, *stamps, tz="UTC"))[0] == "2024-01-01T01:00:00Z"


def test_a_column_named_for_the_close_is_refused(tmp_path: Path) -> None:
    """Although its times could be opens."""
    with pytest.raises(InvalidCandleFile, match="--stamps close"):
        read(tmp_path, "1704070800000", header=HEADER.replace("timestamp", "close_time"))


def test_the_length_of_a_single_candle_is_requested(tmp_path: Path) -> None:
    """It cannot be taken from the distance to the next."""
    with pytest.raises(InvalidCandleFile, match="single candle, so the length to subtract is unknown"):
        read(tmp_path, "2024-01-01 23:59:59", tz="UTC", stamps="close")


@pytest.mark.parametrize("stamps", ["auto", "close"])
def test_the_open_is_preferred_to_the_close(tmp_path: Path, stamps: str) -> None:
    """Where a file has both, whatever other times it has."""
    path = tmp_path / "candles.csv"
    path.write_text(
        "timeOpen,timeClose,open,high,low,close,volume,timestamp\n"
        f"2024-01-01T00:00:00.000Z,2024-01-01T23:59:59.999Z,{PRICES},2024-01-01T23:59:59.999Z\n"
        f"2024-01-02T00:00:00.000Z,2024-01-02T23:59:59.999Z,{PRICES},2024-01-02T23:59:59.999Z\n",
        encoding="utf-8",
    )
    result = read_candle_file(path, stamps=stamps)  # type: ignore[arg-type]  # parametrized
    assert opens(result) == [JANUARY_1, "2024-01-02T00:00:00Z"]


def _pyupbit(*stamps: str) -> Iterator[str]:
    yield ",open,high,low,close,volume,value"
    yield from (f"{stamp},{PRICES},1" for stamp in stamps)


@pytest.mark.parametrize(
    "stamps", [("2024-01-01 09:00:00", "2024-01-01 10:00:00"), ("2024-01-01 00:00:00", "2024-01-02 00:00:00")]
)
def test_other_times_of_pyupbit_need_a_zone(tmp_path: Path, stamps: tuple[str, str]) -> None:
    """Only days from 09:00 prove that they are those of Seoul; the error gives the likely zone."""
    path = tmp_path / "candles.csv"
    path.write_text("\n".join(_pyupbit(*stamps)), encoding="utf-8")
    with pytest.raises(InvalidCandleFile, match=r"pass --tz UTC or --tz Asia/Seoul .pyupbit writes Asia/Seoul"):
        read_candle_file(path)
