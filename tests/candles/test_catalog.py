"""The candle catalog: reading current and legacy files, and listing stored series."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.frames import from_frame
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, Timeframe, day_range, parse_timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles, InvalidSymbol, StorageFailed
from tests.candle_data import synthetic_frame

NEW_YEAR, NEW_YEARS_EVE = date(2024, 1, 1), date(2024, 12, 31)


def write_legacy_files(folder: Path, frame: pd.DataFrame, unit: str = "ns") -> None:
    """Write year files in the legacy format: naive Seoul times by UTC year, with market and timeframe columns."""
    folder.mkdir(parents=True)
    for year, part in frame.groupby(frame["timestamp"].dt.year):
        local = part["timestamp"].dt.tz_convert("Asia/Seoul").dt.tz_localize(None).dt.as_unit(unit)
        part.assign(timestamp=local, symbol="KRW-BTC", timeframe="1D").to_parquet(
            folder / f"{year}.parquet", index=False
        )


def damage(path: Path, offset: int) -> None:
    """Invert bits in 64 bytes of a file."""
    content = bytearray(path.read_bytes())
    content[offset : offset + 64] = bytes(byte ^ 0xA5 for byte in content[offset : offset + 64])
    path.write_bytes(content)


def test_a_leap_year_of_daily_candles_is_complete(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The Seoul year 2024 has 366 daily candles, including that of its last day."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2023, 6, 1), 800))
    bars = catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)
    assert len(bars) == 366
    assert [int(bars.time[row]) // 10**9 for row in (0, -1)] == [
        int(datetime(2024, month, day, tzinfo=UTC).timestamp()) for month, day in ((1, 1), (12, 31))
    ]


def test_a_seoul_day_has_24_hourly_candles(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """It starts at 15:00 UTC the day before, also at the turn of the UTC year."""
    catalog.merge("BTC_KRW", hourly, synthetic_candles(1, hourly, date(2023, 12, 1), 24 * 60))
    for day in (NEW_YEAR, date(2024, 1, 15)):
        bars = catalog.read("BTC_KRW", hourly, day, day)
        begin, stop = day_range(day, day)
        assert bars.time.tolist() == list(range(begin, stop, HOUR_NS))


def test_values_are_read_exactly(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Merged values are read to the last bit."""
    candles = synthetic_candles(1, hourly, NEW_YEAR, 10_000)
    catalog.merge("BTC_KRW", hourly, candles)
    bars = catalog.read("KRW-BTC", hourly, NEW_YEAR, date(2026, 1, 1))
    for name, column in candles._asdict().items():
        np.testing.assert_array_equal(getattr(bars, name), column)


@pytest.mark.parametrize("folder", ["BTC_KRW/1H", "KRW-BTC/1H", "BTC_KRW/1h", "KRW-BTC/1h"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_legacy_files_are_read_in_place(catalog: CandleCatalog, hourly: Timeframe, folder: str, unit: str) -> None:
    """Naive times are Seoul time, in any unit and any spelling of the folders, and files are split at UTC years."""
    frame = synthetic_frame(1, hourly, date(2023, 12, 30), 24 * 4)
    write_legacy_files(catalog.root / folder, frame, unit)
    assert sorted(path.name for path in (catalog.root / folder).iterdir()) == ["2023.parquet", "2024.parquet"]
    bars = catalog.read("BTC_KRW", hourly, date(2023, 12, 31), NEW_YEAR)
    np.testing.assert_array_equal(bars.close, frame["close"].iloc[24:72])
    assert bars.time[0] == day_range(date(2023, 12, 31), NEW_YEAR)[0]
    assert catalog.describe("KRW-BTC") == "stored: 1h 2023-12-30..2024-01-02"


def test_files_split_at_seoul_years_are_read(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Candles of the first nine hours of a Seoul year may be in the file of either year."""
    frame = synthetic_frame(1, hourly, date(2023, 12, 30), 24 * 4)
    folder = catalog.root / "BTC_KRW/1H"
    folder.mkdir(parents=True)
    for year, part in frame.groupby(frame["timestamp"].dt.tz_convert("Asia/Seoul").dt.year):
        part.to_parquet(folder / f"{year}.parquet", index=False)
    assert len(catalog.read("BTC_KRW", hourly, date(2023, 12, 30), date(2023, 12, 31))) == 48
    assert len(catalog.read("BTC_KRW", hourly, NEW_YEAR, NEW_YEAR)) == 24


@pytest.mark.parametrize("name", [None, "date", "timestamp"])
def test_times_in_the_index_are_read(catalog: CandleCatalog, daily: Timeframe, name: str | None) -> None:
    """A DataFrame stored with its index, named or not."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 10)
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    frame.set_index("timestamp").rename_axis(name).to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet")
    np.testing.assert_array_equal(catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE).open, frame["open"])


@pytest.mark.parametrize("options", [{"write_statistics": False}, {"use_deprecated_int96_timestamps": True}])
def test_files_without_statistics_are_read(catalog: CandleCatalog, daily: Timeframe, options: dict[str, bool]) -> None:
    """The rows are read if the footer has no statistics."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 100)
    frame["timestamp"] = frame["timestamp"].dt.tz_convert("Asia/Seoul").dt.tz_localize(None)
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    pq.write_table(pa.Table.from_pandas(frame), catalog.root / "BTC_KRW/1D/2024.parquet", row_group_size=30, **options)
    stored = catalog.stored("BTC_KRW", daily)[0]
    assert (stored.first, stored.last, stored.rows) == (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 4, 9, tzinfo=UTC),
        100,
    )
    assert len(catalog.read("BTC_KRW", daily, date(2024, 2, 1), date(2024, 2, 29))) == 29


def test_a_range_without_candles_is_empty(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A missing file, folder or root is not an error."""
    assert len(catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)) == 0
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 10))
    for start, end in (
        (date(2024, 2, 1), date(2024, 2, 2)),
        (date.min, date(2023, 1, 1)),
        (date(2300, 1, 1), date.max),
    ):
        assert len(catalog.read("BTC_KRW", daily, start, end)) == 0
    assert len(catalog.read("BTC_KRW", daily, date.min, date.max)) == 10


def test_only_years_of_the_range_are_read(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Damaged files of other years do not matter; one that is needed is named."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2021, 1, 1), 5 * 365))
    for year in (2021, 2022, 2025):
        (catalog.root / f"BTC_KRW/1D/{year}.parquet").write_bytes(b"PAR1 no more PAR1")
    assert len(catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)) == 366
    with pytest.raises(
        InvalidCandleFile, match=r"file: BTC_KRW/1D/2022.parquet: cannot be read as Parquet .*restore"
    ) as caught:
        catalog.read("BTC_KRW", daily, date(2022, 12, 31), NEW_YEAR)
    assert str(catalog.root) not in str(caught.value)


def test_only_row_groups_of_the_range_are_read(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """A damaged row group affects only its own days."""
    catalog.merge("BTC_KRW", minutely, synthetic_candles(1, minutely, date(2024, 1, 2), 200_000))
    path = catalog.root / "BTC_KRW/1M/2024.parquet"
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 4
    damage(path, metadata.row_group(1).column(4).data_page_offset + 1_000)
    assert len(catalog.read("BTC_KRW", minutely, date(2024, 1, 2), date(2024, 2, 15))) == 45 * 1_440
    assert len(catalog.read("BTC_KRW", minutely, date(2024, 4, 5), date(2024, 4, 6))) == 2 * 1_440
    with pytest.raises(InvalidCandleFile, match=r"2024.parquet: cannot be read as Parquet"):
        catalog.read("BTC_KRW", minutely, date(2024, 3, 1), date(2024, 3, 1))


def test_flipped_bytes_never_change_candles(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A read returns the same candles or an error."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 300))
    expected = catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)
    path = catalog.root / "BTC_KRW/1D/2024.parquet"
    content = path.read_bytes()
    rejected = 0
    for offset in np.random.default_rng(1).integers(0, len(content), 200).tolist():
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :])
        try:
            bars = catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)
        except (InvalidCandleFile, InvalidCandles):
            rejected += 1
            continue
        assert (bars.time.tolist(), bars.volume.tolist()) == (expected.time.tolist(), expected.volume.tolist())
    assert rejected > 130


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"close": None}, InvalidCandleFile, r"2024.parquet: has no column close; required are timestamp, open"),
        ({"timestamp": None}, InvalidCandleFile, "has no column timestamp"),
        ({"timestamp": "2024-01-01"}, InvalidCandleFile, "its times are of type"),
        ({"close": "11"}, InvalidCandleFile, "its column close is of type"),
    ],
)
def test_malformed_files_are_named(
    catalog: CandleCatalog, daily: Timeframe, change: dict[str, str | None], error: type[Exception], reason: str
) -> None:
    """A missing column or one of the wrong type is an error with the file and the column."""
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    frame = synthetic_frame(1, daily, NEW_YEAR, 10).assign(**change)
    frame = frame.drop(columns=[name for name, value in change.items() if value is None])
    frame.to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False)
    with pytest.raises(error, match=reason):
        catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (
            150,
            "volume",
            -1.0,
            r"BTC_KRW/1D: 1 invalid row.*: 2024.parquet row 151 at 2024-05-30T00:00:00Z has volume -1.0",
        ),
        (7, "close", np.nan, r"2024.parquet row 8 at 2024-01-08T00:00:00Z has close nan"),
        (150, "timestamp", pd.NaT, r"2024.parquet: 1 invalid row.*: row 151 has no time"),
        (9, "timestamp", pd.NaT, r"2024.parquet: 1 invalid row.*: row 10 has no time"),
        (9, "timestamp", pd.Timestamp("2024-01-09", tz="UTC"), r"2024.parquet row 10 at 2024-01-09T00:00:00Z repeats"),
        (
            9,
            "timestamp",
            pd.Timestamp("2024-01-02", tz="UTC"),
            r"2024.parquet row 10 at 2024-01-02T00:00:00Z is earlier",
        ),
    ],
)
def test_impossible_rows_are_named(
    catalog: CandleCatalog, daily: Timeframe, row: int, column: str, value: object, reason: str
) -> None:
    """The error contains file, row, time and value, in later row groups too."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 200)
    frame.loc[row, column] = value
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    frame.to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False, row_group_size=60)
    with pytest.raises(InvalidCandles, match=reason):
        catalog.read("BTC_KRW", daily, date(2024, 5, 1) if row > 100 else NEW_YEAR, NEW_YEARS_EVE)


def test_prices_outside_the_range_are_not_checked(catalog: CandleCatalog, daily: Timeframe) -> None:
    """An impossible candle affects only the ranges that contain it."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 200)
    frame.loc[3, "low"] = 1e12
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    frame.to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False)
    assert len(catalog.read("BTC_KRW", daily, date(2024, 2, 1), date(2024, 2, 29))) == 29


def test_a_candle_in_two_files_is_named(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Times must increase from file to file as well."""
    frame = synthetic_frame(1, daily, date(2023, 12, 1), 60)
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    frame.iloc[:33].to_parquet(catalog.root / "BTC_KRW/1D/2023.parquet", index=False)
    frame.iloc[31:].to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False)
    with pytest.raises(InvalidCandles, match=r"2024.parquet row 1 at 2024-01-01T00:00:00Z is earlier"):
        catalog.read("BTC_KRW", daily, date(2023, 12, 1), NEW_YEAR + timedelta(days=3))


@pytest.mark.parametrize("other", ["KRW-BTC/1D", "BTC_KRW/1d", "KRW-BTC/1d"])
def test_two_spellings_of_one_series_are_rejected(catalog: CandleCatalog, daily: Timeframe, other: str) -> None:
    """The error names both folders."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 10)
    for folder in ("BTC_KRW/1D", other):
        write_legacy_files(catalog.root / folder, frame)
    for call in (
        lambda: catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE),
        lambda: catalog.merge("BTC_KRW", daily, from_frame(frame)),
        lambda: catalog.stored("BTC_KRW"),
    ):
        with pytest.raises(InvalidCandleFile) as caught:
            call()
        assert "BTC_KRW/1D" in str(caught.value)
        assert other in str(caught.value)


def test_a_symlink_is_not_a_second_series(catalog: CandleCatalog, daily: Timeframe) -> None:
    """One folder under two names holds one series."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 10))
    (catalog.root / "KRW-BTC").symlink_to("BTC_KRW")
    assert len(catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)) == 10
    assert [stored.symbol for stored in catalog.inventory()[0]] == ["BTC_KRW"]


def test_two_timeframes_may_be_spelled_differently(catalog: CandleCatalog, daily: Timeframe, hourly: Timeframe) -> None:
    """The spelling counts per series."""
    write_legacy_files(catalog.root / "KRW-BTC/1h", synthetic_frame(1, hourly, NEW_YEAR, 48))
    catalog.merge("KRW-BTC", daily, synthetic_candles(1, daily, NEW_YEAR, 10))
    assert (catalog.root / "BTC_KRW/1D/2024.parquet").is_file()
    assert catalog.describe("BTC_KRW") == "stored: 1h 2024-01-01..2024-01-02, 1d 2024-01-01..2024-01-10"


@pytest.mark.parametrize("symbol", ["../BTC_KRW", "BTC_KRW/../..", "/etc", "btc_krw", "", "BTC_KRW\x00", "."])
def test_paths_are_rejected_as_symbols(catalog: CandleCatalog, daily: Timeframe, symbol: str) -> None:
    """Only valid markets reach the file system, in any method."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 3)
    for call in (
        lambda: catalog.read(symbol, daily, NEW_YEAR, NEW_YEAR),
        lambda: catalog.merge(symbol, daily, from_frame(frame)),
        lambda: catalog.stored(symbol),
        lambda: catalog.describe(symbol),
    ):
        with pytest.raises(InvalidSymbol):
            call()
    assert not catalog.root.exists()


def test_the_inventory_lists_stored_series(catalog: CandleCatalog, daily: Timeframe, hourly: Timeframe) -> None:
    """With extent, rows, files and size; other files are ignored."""
    catalog.merge("ETH_KRW", daily, synthetic_candles(1, daily, date(2023, 12, 1), 60))
    catalog.merge("BTC_KRW", hourly, synthetic_candles(1, hourly, NEW_YEAR, 30))
    for foreign in ("results/1D", "tasks", "BTC_KRW/2D", "XRP_KRW/1D", "BTC_KRW/1D/2024", "backups/BTC_KRW/1D"):
        (catalog.root / foreign).mkdir(parents=True)
    for foreign in ("results/1D/2024.parquet", "BTC_KRW/2D/2024.parquet", "XRP_KRW/1D/notes.parquet", "SOL_KRW"):
        (catalog.root / foreign).write_text("not candles")
    sizes = [path.stat().st_size for path in sorted((catalog.root / "ETH_KRW/1D").glob("*.parquet"))]
    (btc, eth), _ = catalog.inventory()
    assert (btc.symbol, btc.timeframe, btc.rows, btc.files) == ("BTC_KRW", hourly, 30, 2)
    first, last = datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 1, 29, tzinfo=UTC)
    assert eth == StoredCandles("ETH_KRW", daily, first, last, 60, 2, sum(sizes), Provenance())
    assert catalog.stored("KRW-ETH", hourly) == []
    assert catalog.describe("XRP_KRW") == "nothing stored"


def test_the_inventory_reads_footers_only(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A file with damaged data but an intact footer is still listed."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 300))
    damage(catalog.root / "BTC_KRW/1D/2024.parquet", 4)
    assert catalog.inventory()[0][0].rows == 300


def test_a_file_without_rows_is_ignored(catalog: CandleCatalog, daily: Timeframe) -> None:
    """It is read as no candles and not listed."""
    (catalog.root / "BTC_KRW/1D").mkdir(parents=True)
    synthetic_frame(1, daily, NEW_YEAR, 0).to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False)
    assert len(catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)) == 0
    assert catalog.inventory() == ([], [])


def test_a_folder_that_cannot_be_listed_is_named(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The operating system's error becomes a StorageFailed."""
    catalog.root.mkdir()
    (catalog.root / "BTC_KRW").symlink_to("BTC_KRW")
    with pytest.raises(StorageFailed, match="cannot list 1"):
        catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe", "tz", "rows", "first", "last", "missing", "gaps"),
    [
        ("upbit_KRW-BTC_1h.csv", "BTC_KRW", "1h", "UTC", 32_780, "2022-01-01 00:00", "2025-09-29 23:00", 52, 18),
        ("upbit_KRW-BTC_1m.csv", "BTC_KRW", "1m", "UTC", 47_598, "2025-09-01 00:00", "2025-10-04 01:19", 2, 2),
        (
            "upbit_KRW-BTC_1d_2025.parquet",
            "BTC_KRW",
            "1d",
            "Asia/Seoul",
            367,
            "2025-01-02 00:00",
            "2026-01-03 00:00",
            0,
            0,
        ),
        ("binance-spot_BTCUSDT_1h.feather", "BTC_USDT", "1h", "UTC", 18_000, "2023-01-01 00:00", None, 1, 1),
    ],
)
def test_real_candles_are_stored_exactly(
    market_data: Path,
    catalog: CandleCatalog,
    name: str,
    symbol: str,
    timeframe: str,
    tz: str,
    rows: int,
    first: str,
    last: str | None,
    missing: int,
    gaps: int,
) -> None:
    """Real files are imported and read back with the rows, extent and gaps that their source documents."""
    length = parse_timeframe(timeframe)
    candles = read_candle_file(market_data / name, tz=tz).candles
    report = catalog.merge(symbol, length, candles)
    assert (report.added, report.replaced, report.unchanged) == (rows, 0, 0)
    bars = catalog.read(symbol, length, date(2022, 1, 1), date(2026, 12, 31))
    for column_name, column in candles._asdict().items():
        np.testing.assert_array_equal(getattr(bars, column_name), column)
    assert f"{report.first:%Y-%m-%d %H:%M}" == first
    assert last is None or f"{report.last:%Y-%m-%d %H:%M}" == last
    covered = coverage(bars.time, length, int(bars.time[0]), int(bars.time[-1]) + 1)
    assert (covered.expected - covered.present, len(covered.gaps), covered.off_grid) == (missing, gaps, 0)


def test_real_values_equal_those_of_the_csv(market_data: Path) -> None:
    """Values are the nearest double of the text, as Python parses it."""
    path = market_data / "upbit_KRW-BTC_1m.csv"
    time, *values = read_candle_file(path, tz="UTC").candles
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    for position, column in enumerate(values, start=1):
        assert column.tolist() == [float(fields[position]) for fields in lines]
    assert np.diff(time).min() == MINUTE_NS
