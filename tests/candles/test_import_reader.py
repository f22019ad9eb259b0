"""Import of candle files with plain columns."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from coin_pipeline.candles.imports.limits import FileLimits
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import utc
from coin_pipeline.errors import CoinError, InvalidCandleFile, InvalidCandles

HEADER = "timestamp,open,high,low,close,volume"
PRICES = "10,12,9,11,1.5"
FIRST = pd.Timestamp("2024-01-01", tz="UTC")
MINUTES = pd.date_range(FIRST, periods=1000, freq="min")
WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], object]] = MappingProxyType(
    {
        "csv": lambda candles, path: candles.to_csv(path, index=False),
        "parquet": lambda candles, path: candles.to_parquet(path),
        "feather": feather.write_feather,
    }
)


def write(folder: Path, *lines: str) -> Path:
    """Write a CSV file."""
    path = folder / "candles.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, tz: str | None = None, max_rows: int = sys.maxsize) -> OHLCV:
    """Return the candles of a file."""
    return read_candle_file(path, tz=tz, limits=FileLimits(rows=max_rows)).candles


def frame(stamps: Sequence[object] | pd.DatetimeIndex, **more: object) -> pd.DataFrame:
    """Return valid candles at these times."""
    return pd.DataFrame(
        {"timestamp": stamps, "open": 10, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.5, **more}
    )


def first_row(candles: OHLCV) -> list[float]:
    """Return the values of the first candle."""
    return [column[0] for column in candles]


@pytest.mark.parametrize(
    ("stamp", "tz"),
    [
        *(("2024-01-01T00:00:00Z", None), ("2024-01-01 00:00:00+00:00", None), ("2024-01-01T09:00:00+0900", None)),
        *(("1704067200", None), ("1704067200000", None), ("1704067200000000", None), ("1704067200000000000", None)),
        *(("2024-01-01", "UTC"), ("2024-01-01 00:00", "UTC"), ("2024-01-01 09:00:00", "Asia/Seoul")),
        *(("2023-12-31T19:00:00.000", "America/New_York"), ("2024-01-01T09:00:00+09:00", "UTC")),
    ],
)
def test_spellings_of_an_instant_are_equivalent(tmp_path: Path, stamp: str, tz: str | None) -> None:
    """ISO 8601 with and without a zone, and every unit since the epoch."""
    candles = read(write(tmp_path, HEADER, f"{stamp},{PRICES}"), tz)
    assert first_row(candles) == [FIRST.value, 10.0, 12.0, 9.0, 11.0, 1.5]


@pytest.mark.parametrize("name", ["timestamp", "date", "datetime", "time", "Date", " Time "])
def test_columns_are_matched_by_name(tmp_path: Path, name: str) -> None:
    """Order, letter case and other columns do not matter."""
    path = write(tmp_path, f"Volume,note,{name},Close,Low,High,Open", "1.5,x,2024-01-01T00:00:00Z,11,9,12,10")
    assert first_row(read(path)) == [FIRST.value, 10.0, 12.0, 9.0, 11.0, 1.5]


def test_upbit_times_are_utc(tmp_path: Path) -> None:
    """candle_date_time_utc is used, not `timestamp`, which is the time of the last trade."""
    header = "market,candle_date_time_utc,candle_date_time_kst,opening_price,high_price,low_price,trade_price,timestamp"
    values = "KRW-BTC,2024-01-01T00:00:00,2024-01-01T09:00:00,10,12,9,11,1704153599999"
    path = write(tmp_path, f"{header},candle_acc_trade_volume", f"{values},1.5")
    assert first_row(read(path, "Asia/Seoul")) == [FIRST.value, 10.0, 12.0, 9.0, 11.0, 1.5]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
@pytest.mark.parametrize("place", ["column", "index"])
def test_stored_frames_of_any_unit_are_read(tmp_path: Path, suffix: str, unit: str, place: str) -> None:
    """From Parquet and Feather, with the times in a column or in the index."""
    stamps = pd.date_range("2024-01-01", periods=3, freq="h", unit=unit)
    source = frame(stamps)
    if place == "index":
        source = source.set_index("timestamp").rename_axis(None)
    path = tmp_path / f"candles.{suffix}"
    if suffix == "parquet":
        source.to_parquet(path)
    else:
        feather.write_feather(pa.Table.from_pandas(source), path)
    assert read(path, "UTC").time.tolist() == stamps.as_unit("ns").asi8.tolist()
    with pytest.raises(InvalidCandleFile, match="pass --tz UTC or --tz Asia/Seoul"):
        read(path)


def test_stored_integers_and_texts_are_read(tmp_path: Path) -> None:
    """Parquet with integer or text times is read like CSV."""
    for stamps in ([1_704_067_200_000], ["2024-01-01T00:00:00Z"]):
        frame(stamps).to_parquet(tmp_path / "candles.parquet")
        assert read(tmp_path / "candles.parquet").time.tolist() == [FIRST.value]


def test_rows_are_sorted(tmp_path: Path) -> None:
    """Newest first becomes oldest first."""
    rows = [f"2024-01-0{day}T00:00:00Z,{PRICES}" for day in (3, 1, 2)]
    opens = read(write(tmp_path, HEADER, *rows)).time
    assert [utc(ns).day for ns in opens] == [1, 2, 3]


def test_naive_times_require_a_zone(tmp_path: Path) -> None:
    """The error names the option."""
    path = write(tmp_path, HEADER, f"2024-01-01 00:00:00,{PRICES}")
    with pytest.raises(InvalidCandleFile, match="no time zone; pass --tz UTC or --tz Asia/Seoul"):
        read(path)


@pytest.mark.parametrize("tz", ["", "KST", "Seoul", "asia/seoul", "+09:00", "../UTC", "America", "UTC\x00"])
def test_an_unknown_zone_is_rejected(tmp_path: Path, tz: str) -> None:
    """Only names of the IANA database are zones."""
    path = write(tmp_path, HEADER, f"2024-01-01 00:00:00,{PRICES}")
    with pytest.raises(InvalidCandleFile, match=r"is not a time zone.*; write an IANA name"):
        read(path, tz)


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("2024-11-03 01:30", "01:30:00 occurs twice in America/New_York, before and after a clock change; write times"),
        ("2024-03-10 02:30", "02:30:00 does not exist in America/New_York: it is skipped by a clock change"),
    ],
)
def test_ambiguous_and_nonexistent_local_times_are_rejected(tmp_path: Path, stamp: str, reason: str) -> None:
    """A clock change repeats or skips them; the error gives the row and the time, and no advice on pandas."""
    with pytest.raises(InvalidCandleFile, match=f"row 1: the time .*{reason}"):
        read(write(tmp_path, HEADER, f"{stamp},{PRICES}"), "America/New_York")


@pytest.mark.parametrize(
    "stamps",
    [
        *(["20240101"], ["202401010000"], ["20240101000000"], ["1704067200", "1704067200000"], ["0"], ["9" * 19]),
        *(["01/02/2024"], ["yesterday"], ["45292.375"], ["2024-13-01"], ["2024-01-01", "2024-01-02T00:00:00Z"]),
    ],
)
def test_ambiguous_time_formats_are_rejected(tmp_path: Path, stamps: list[str]) -> None:
    """Dates in digits, mixed units, mixed zones and regional dates are not guessed."""
    path = write(tmp_path, HEADER, *(f"{stamp},{PRICES}" for stamp in stamps))
    with pytest.raises(InvalidCandleFile, match=r"times|the time|dates"):
        read(path, "UTC")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            ["2024-01-02,10,12,9,11,1", "2024-01-01,10,12,9,11,1", "2024-01-02,10,12,9,11,1"],
            "1 invalid row.* row 3 .* repeats",
        ),
        (["2024-01-01,10,12,9,11,1", "2024-01-01,10,12,9,11,2"], "row 2 at 2024-01-01T00:00:00Z repeats"),
        (["2024-01-02,10,12,9,11,1", "2024-01-01,10,12,9,,1"], "row 2 at 2024-01-01T00:00:00Z has close nan"),
        (["2024-01-01,10,12,9,nan,1"], "row 1 .* has close nan"),
        (["2024-01-01,10,8,9,11,1"], "row 1 .* has open 10.0 above its high 8.0"),
        (["2024-01-01,10,12,9,11,1", ",10,12,9,11,1"], "row 2 has no time"),
    ],
)
def test_impossible_rows_are_named_by_their_number_in_the_file(tmp_path: Path, rows: list[str], reason: str) -> None:
    """Repeated, incomplete and impossible rows keep their row numbers although rows are sorted first."""
    with pytest.raises(InvalidCandles, match=reason):
        read(write(tmp_path, HEADER, *rows), "UTC")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "contains no candles"),
        ([HEADER], "contains no candles"),
        (
            ["timestamp,open,high,low,close", "2024-01-01,1,1,1,1"],
            "has no column for volume; its columns are 'timestamp'",
        ),
        (["open,high,low,close,volume", PRICES], "has no column for time; .*name them with --columns"),
        (
            ["date,timestamp,open,high,low,close,volume", f"2024-01-01,0,{PRICES}"],
            "more than one column for time: 'date'",
        ),
        ([f"{HEADER},trade_price", f"2024-01-01,{PRICES},11"], "more than one column for close"),
        ([HEADER, '2024-01-01,"1,000",12,9,11,1'], "numbers such as 1,000, with thousands or with decimals"),
        ([HEADER, "2024-01-01,10,12"], "row 1 has 3 instead of 6 columns: '2024-01-01,10,12'"),
    ],
)
def test_malformed_tables_are_rejected(tmp_path: Path, lines: list[str], reason: str) -> None:
    """A missing, duplicate or unreadable column is named."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(write(tmp_path, *lines), "UTC")


@pytest.mark.parametrize("name", ["candles.parquet", "candles.feather", "candles.csv"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nonsense", b"PAR1PAR1"])
def test_files_of_another_format_are_rejected(tmp_path: Path, name: str, content: bytes) -> None:
    """The error names the file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidCandleFile, match=name):
        read(path, "UTC")


@pytest.mark.parametrize("name", ["candles.xlsx", "candles", "candles.csv.gz", "missing.csv", "missing.parquet"])
def test_unsupported_and_missing_files_are_rejected(tmp_path: Path, name: str) -> None:
    """The error names the file."""
    with pytest.raises(InvalidCandleFile, match=name):
        read(tmp_path / name, "UTC")


def test_columns_of_other_types_are_rejected(tmp_path: Path) -> None:
    """A Parquet column of booleans holds no prices."""
    frame([FIRST], close=True).to_parquet(tmp_path / "candles.parquet")
    with pytest.raises(CoinError, match="column close is of type"):
        read(tmp_path / "candles.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_files_above_the_row_limit_are_rejected(tmp_path: Path, suffix: str) -> None:
    """A file at the limit is read."""
    path = tmp_path / f"candles.{suffix}"
    WRITERS[suffix](frame(MINUTES), path)
    assert len(read(path, None, len(MINUTES)).time) == len(MINUTES)
    with pytest.raises(InvalidCandleFile, match="has 1,000 rows, more than the limit of 999; split it"):
        read(path, None, len(MINUTES) - 1)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_files_above_the_row_limit_are_not_decompressed(tmp_path: Path, suffix: str) -> None:
    """A small file can hold more than fits in memory; the rows of this one cannot even be decompressed."""
    path = tmp_path / f"candles.{suffix}"
    WRITERS[suffix](frame(MINUTES), path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(InvalidCandleFile, match="has 1,000 rows"):
        read(path, None, 10)
    with pytest.raises(InvalidCandleFile, match="cannot be read as"):
        read(path)
