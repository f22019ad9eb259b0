"""Candle files of other people."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from coin_pipeline.candles.files import read_candle_file
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


def frame(stamps: Sequence[object] | pd.DatetimeIndex, **more: object) -> pd.DataFrame:
    """Return sound candles at these times."""
    return pd.DataFrame(
        {"timestamp": stamps, "open": 10, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1.5, **more}
    )


@pytest.mark.parametrize(
    ("stamp", "tz"),
    [
        *(("2024-01-01T00:00:00Z", None), ("2024-01-01 00:00:00+00:00", None), ("2024-01-01T09:00:00+0900", None)),
        *(("1704067200", None), ("1704067200000", None), ("1704067200000000", None), ("1704067200000000000", None)),
        *(("2024-01-01", "UTC"), ("2024-01-01 00:00", "UTC"), ("2024-01-01 09:00:00", "Asia/Seoul")),
        *(("2023-12-31T19:00:00.000", "America/New_York"), ("2024-01-01T09:00:00+09:00", "UTC")),
    ],
)
def test_one_instant_in_many_spellings(tmp_path: Path, stamp: str, tz: str | None) -> None:
    """ISO 8601 with or without a zone, and every unit since the epoch, mean the same instant."""
    found = read_candle_file(write(tmp_path, HEADER, f"{stamp},{PRICES}"), tz)
    assert found["timestamp"].tolist() == [FIRST]
    assert found["timestamp"].dtype == "datetime64[ns, UTC]"
    assert found.iloc[0, 1:].tolist() == [10.0, 12.0, 9.0, 11.0, 1.5]


@pytest.mark.parametrize("name", ["timestamp", "date", "datetime", "time", "Date", " Time "])
def test_columns_go_by_name(tmp_path: Path, name: str) -> None:
    """Their order, letter case and further columns do not matter."""
    path = write(tmp_path, f"Volume,note,{name},Close,Low,High,Open", "1.5,x,2024-01-01T00:00:00Z,11,9,12,10")
    assert read_candle_file(path, None).iloc[0].tolist() == [FIRST, 10.0, 12.0, 9.0, 11.0, 1.5]


def test_upbit_fields_are_utc(tmp_path: Path) -> None:
    """Upbit's candle_date_time_utc says its zone, and is taken rather than its `timestamp` of the last trade."""
    header = "market,candle_date_time_utc,candle_date_time_kst,opening_price,high_price,low_price,trade_price,timestamp"
    values = "KRW-BTC,2024-01-01T00:00:00,2024-01-01T09:00:00,10,12,9,11,1704153599999"
    path = write(tmp_path, f"{header},candle_acc_trade_volume", f"{values},1.5")
    assert read_candle_file(path, "Asia/Seoul").iloc[0].tolist() == [FIRST, 10.0, 12.0, 9.0, 11.0, 1.5]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
@pytest.mark.parametrize("place", ["column", "index"])
def test_stored_frames_of_any_unit(tmp_path: Path, suffix: str, unit: str, place: str) -> None:
    """Parquet and Feather give the same candles, with the times in a column or in the index."""
    stamps = pd.date_range("2024-01-01", periods=3, freq="h", unit=unit)
    source = frame(stamps)
    if place == "index":
        source = source.set_index("timestamp").rename_axis(None)
    path = tmp_path / f"candles.{suffix}"
    if suffix == "parquet":
        source.to_parquet(path)
    else:
        feather.write_feather(pa.Table.from_pandas(source), path)
    assert read_candle_file(path, "UTC")["timestamp"].tolist() == list(stamps.tz_localize("UTC"))
    with pytest.raises(InvalidCandleFile, match="pass --tz UTC or --tz Asia/Seoul"):
        read_candle_file(path, None)


def test_stored_integers_and_texts(tmp_path: Path) -> None:
    """Parquet with integer or text times is read as CSV is."""
    for stamps in ([1_704_067_200_000], ["2024-01-01T00:00:00Z"]):
        frame(stamps).to_parquet(tmp_path / "candles.parquet")
        assert read_candle_file(tmp_path / "candles.parquet", None)["timestamp"].tolist() == [FIRST]


def test_rows_are_put_in_order(tmp_path: Path) -> None:
    """Newest first, as exchanges answer, becomes oldest first."""
    rows = [f"2024-01-0{day}T00:00:00Z,{PRICES}" for day in (3, 1, 2)]
    opens = read_candle_file(write(tmp_path, HEADER, *rows), None)["timestamp"]
    assert opens.dt.day.tolist() == [1, 2, 3]


def test_naive_times_need_a_zone(tmp_path: Path) -> None:
    """Times without a zone are refused with what to pass."""
    path = write(tmp_path, HEADER, f"2024-01-01 00:00:00,{PRICES}")
    with pytest.raises(InvalidCandleFile, match="no zone; pass --tz UTC or --tz Asia/Seoul"):
        read_candle_file(path, None)


@pytest.mark.parametrize("tz", ["", "KST", "Seoul", "asia/seoul", "+09:00", "../UTC", "America", "UTC\x00"])
def test_an_unknown_zone_is_refused(tmp_path: Path, tz: str) -> None:
    """Only names of the IANA data base are zones."""
    path = write(tmp_path, HEADER, f"2024-01-01 00:00:00,{PRICES}")
    with pytest.raises(InvalidCandleFile, match="is not a time zone; pass an IANA name"):
        read_candle_file(path, tz)


@pytest.mark.parametrize("stamp", ["2024-11-03 01:30", "2024-03-10 02:30"])
def test_hours_a_clock_change_repeats_or_skips_are_refused(tmp_path: Path, stamp: str) -> None:
    """A local time that exists twice, or not at all, names no instant."""
    with pytest.raises(InvalidCandleFile, match="times that cannot be placed"):
        read_candle_file(write(tmp_path, HEADER, f"{stamp},{PRICES}"), "America/New_York")


@pytest.mark.parametrize(
    "stamps",
    [
        *(["20240101"], ["202401010000"], ["20240101000000"], ["1704067200", "1704067200000"], ["0"], ["9" * 19]),
        *(["01/02/2024"], ["yesterday"], ["1704067200.0"], ["2024-13-01"], ["2024-01-01", "2024-01-02T00:00:00Z"]),
    ],
)
def test_times_that_could_mean_something_else_are_refused(tmp_path: Path, stamps: list[str]) -> None:
    """Dates in digits, mixed units, mixed zones and regional dates are not guessed at."""
    path = write(tmp_path, HEADER, *(f"{stamp},{PRICES}" for stamp in stamps))
    with pytest.raises(InvalidCandleFile, match="times"):
        read_candle_file(path, "UTC")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            ["2024-01-02,10,12,9,11,1", "2024-01-01,10,12,9,11,1", "2024-01-02,10,12,9,11,1"],
            "1 row is .* row 3 .* repeats",
        ),
        (["2024-01-01,10,12,9,11,1", "2024-01-01,10,12,9,11,2"], "row 2 at 2024-01-01T00:00:00Z repeats"),
        (["2024-01-02,10,12,9,11,1", "2024-01-01,10,12,9,,1"], "row 2 at 2024-01-01T00:00:00Z has close nan"),
        (["2024-01-01,10,12,9,nan,1"], "row 1 .* has close nan"),
        (["2024-01-01,10,8,9,11,1"], "row 1 .* has open 10.0 above its high 8.0"),
        (["2024-01-01,10,12,9,11,1", ",10,12,9,11,1"], "row 2 has no time"),
    ],
)
def test_impossible_rows_are_named_as_in_the_file(tmp_path: Path, rows: list[str], reason: str) -> None:
    """Repeated, incomplete and impossible rows are refused by their number in the file, though it is sorted first."""
    with pytest.raises(InvalidCandles, match=reason):
        read_candle_file(write(tmp_path, HEADER, *rows), "UTC")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "Empty CSV"),
        ([HEADER], "holds no candles"),
        (["timestamp,open,high,low,close", "2024-01-01,1,1,1,1"], "has no column volume"),
        (["open,high,low,close,volume", PRICES], "has no column timestamp; name exactly one timestamp or datetime"),
        (["date,time,open,high,low,close,volume", f"2024-01-01,00:00,{PRICES}"], "more than one column for timestamp"),
        ([f"{HEADER},trade_price", f"2024-01-01,{PRICES},11"], "more than one column for close"),
        ([HEADER.replace(",", ";"), "2024-01-01;1;1;1;1;1"], "has no column timestamp"),
        ([HEADER, '2024-01-01,"1,000",12,9,11,1'], "conversion error"),
        ([HEADER, "2024-01-01,10,12"], "Expected 6 columns, got 3"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, lines: list[str], reason: str) -> None:
    """A missing, doubled or unreadable column is named."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read_candle_file(write(tmp_path, *lines), "UTC")


@pytest.mark.parametrize("name", ["candles.parquet", "candles.feather", "candles.csv"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nonsense", b"PAR1PAR1"])
def test_other_bytes_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """A file that is not what its suffix says is an error with its name."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidCandleFile, match=name):
        read_candle_file(path, "UTC")


@pytest.mark.parametrize("name", ["candles.xlsx", "candles", "candles.csv.gz", "missing.csv", "missing.parquet"])
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, name: str) -> None:
    """Another format, or no file at all, is an error with its name."""
    with pytest.raises(InvalidCandleFile, match=name):
        read_candle_file(tmp_path / name, "UTC")


def test_texts_are_no_prices(tmp_path: Path) -> None:
    """A Parquet column of texts is not read as numbers."""
    frame([FIRST], close="11").to_parquet(tmp_path / "candles.parquet")
    with pytest.raises(CoinError, match="column close is of type"):
        read_candle_file(tmp_path / "candles.parquet", None)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_more_rows_than_are_taken_are_refused(tmp_path: Path, suffix: str) -> None:
    """As many are read."""
    path = tmp_path / f"candles.{suffix}"
    WRITERS[suffix](frame(MINUTES), path)
    assert len(read_candle_file(path, None, len(MINUTES))) == len(MINUTES)
    with pytest.raises(InvalidCandleFile, match="holds 1,000 rows, more than the 999 that are taken; split it"):
        read_candle_file(path, None, len(MINUTES) - 1)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_too_many_rows_are_not_unpacked(tmp_path: Path, suffix: str) -> None:
    """A small file may hold more than fits into memory; here its rows would not even unpack."""
    path = tmp_path / f"candles.{suffix}"
    WRITERS[suffix](frame(MINUTES), path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(InvalidCandleFile, match="holds 1,000 rows"):
        read_candle_file(path, None, 10)
    with pytest.raises(InvalidCandleFile, match="cannot be read as"):
        read_candle_file(path, None)
