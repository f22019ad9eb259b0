"""A file written in any combination of order, delimiter, encoding and times is read as the same candles."""

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.errors import InvalidInput

SEOUL = timezone(timedelta(hours=9))
HEADERS = ("timestamp open high low close volume", "날짜 시가 고가 저가 종가 거래량", "Date Open High Low Close Vol.")
TIMES: Mapping[str, Callable[[datetime], str]] = {
    "offset": lambda time: time.astimezone(SEOUL).isoformat(sep=" ")[:-3],
    "zone": lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}",
    "local": lambda time: f"{time.astimezone(SEOUL):%Y. %m. %d. %H:%M}",
    "s": lambda time: f"{time.timestamp():.0f}",
    "ms": lambda time: f"{time.timestamp() * 1000:.0f}",
    "float": lambda time: f"{time.timestamp():.1f}",
}
NUMBERS: Mapping[str, Callable[[float], str]] = {
    "plain": str,
    "point": "{:,.2f}".format,
    "comma": lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")),
    "won": "\N{FULLWIDTH WON SIGN}{:,.2f}".format,
}


@settings(max_examples=40, deadline=None)
@given(
    start=st.datetimes(datetime(2013, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- hypothesis wants naive bounds
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    cents=st.integers(100, 10**10),
    header=st.sampled_from(HEADERS),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp949"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    time=st.sampled_from(sorted(TIMES)),
    number=st.sampled_from(sorted(NUMBERS)),
    order=st.sampled_from([1, -1]),
)
def test_the_same_candles_in_any_dress(
    start: datetime,
    gaps: list[int],
    cents: int,
    header: str,
    delimiter: str,
    encoding: str,
    newline: str,
    time: str,
    number: str,
    order: int,
) -> None:
    """Times to the minute and prices to the cent; row numbers follow the order of the file."""
    first = start.replace(second=0, microsecond=0, tzinfo=UTC)
    opens = [first + timedelta(minutes=15 * int(step)) for step in np.cumsum(gaps)]
    prices = [float(f"{cents + 7 * row}e-2") for row in range(len(opens))]
    rows = [
        delimiter.join(f'"{cell}"' for cell in (TIMES[time](stamp), *[NUMBERS[number](price)] * 5))
        for stamp, price in zip(opens, prices, strict=True)
    ]
    text = newline.join([header.replace(" ", delimiter), *rows[::order], ""])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candles.csv"
        path.write_bytes(text.encode(encoding))
        result = read_candle_file(path, tz="Asia/Seoul", stamps="open")  # a start at 00:59 looks like a close
    assert result.candles.time.tolist() == [int(stamp.timestamp()) * 10**9 for stamp in opens]
    assert [column.tolist() for column in result.candles[1:]] == [prices] * 5
    assert result.rows.tolist() == list(range(1, len(opens) + 1))[::order]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet", ".feather", ".xlsx", ".csv.gz", ".zip"])
@settings(max_examples=15, deadline=None)
@given(content=st.binary(max_size=300) | st.text(alphabet='0123456789-:,.;"\n\t {}[]aZ#', max_size=300).map(str.encode))
def test_any_content_is_read_or_refused(suffix: str, content: bytes) -> None:
    """Damage is an error of our own, whatever it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"candles{suffix}"
        path.write_bytes(content)
        try:
            read_candle_file(path, tz="UTC")
        except InvalidInput as error:
            assert str(path) in str(error)  # noqa: PT017 -- valid content is fine, too
