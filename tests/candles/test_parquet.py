"""The bytes of year files: reproducible, protected by checksums, readable in older encodings."""

import itertools
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, to_table
from coin_pipeline.candles.year_files.parquet import encode, read_extra_columns
from coin_pipeline.errors import DamagedCandleFile, InvalidCandleFile, InvalidCandles
from tests.candle_data import synthetic_frame

NEW_YEAR, NEW_YEARS_EVE = date(2024, 1, 1), date(2024, 12, 31)
YEAR_FILE = "BTC_KRW/1D/2024.parquet"


def day_candles(catalog: CandleCatalog, daily: Timeframe) -> list[list[float]]:
    """Read the year as lists."""
    bars = catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)
    return [getattr(bars, name).tolist() for name in ("time", *PRICE_COLUMNS)]


def test_equal_candles_give_equal_bytes(minutely: Timeframe) -> None:
    """Whatever the chunks of the table."""
    candles = synthetic_candles(1, minutely, NEW_YEAR, 100_000)
    notes = pa.chunked_array([pa.array(["a", None, "b"] * 20_000), pa.array(["c"] * 40_000)])
    whole = to_table(candles, [("note", notes)])
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 70_000), whole.slice(70_001)])
    assert chunked.column("close").num_chunks == 3
    assert encode(whole) == encode(chunked)


def test_the_order_of_merges_does_not_change_the_file(tmp_path: Path, daily: Timeframe) -> None:
    """Candles merged at once, in parts or twice give the same bytes."""
    candles = synthetic_candles(1, daily, NEW_YEAR, 200)
    pieces = [candles.rows(rows) for rows in (slice(120, None), slice(50), slice(40, 130))]
    contents = set()
    for number, order in enumerate([[candles], *itertools.permutations(pieces)]):
        catalog = CandleCatalog(tmp_path / str(number))
        for piece in order:
            catalog.merge("BTC_KRW", daily, piece)
        contents.add((catalog.root / YEAR_FILE).read_bytes())
    assert len(contents) == 1


def test_every_damaged_footer_byte_is_detected(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The error names the file."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 100))
    path = catalog.root / YEAR_FILE
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for offset in range(start, len(content)):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ (1 << offset % 8)]) + content[offset + 1 :])
        with pytest.raises(InvalidCandleFile, match=YEAR_FILE):
            day_candles(catalog, daily)


def test_damaged_page_bytes_never_change_candles(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A read returns the right candles or an error, whichever byte before the footer changes."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 40))
    expected, path = day_candles(catalog, daily), catalog.root / YEAR_FILE
    content = path.read_bytes()
    rejected = 0
    for offset in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little")):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ (1 << offset % 8)]) + content[offset + 1 :])
        try:
            assert day_candles(catalog, daily) == expected
        except (InvalidCandleFile, InvalidCandles):
            rejected += 1
    assert rejected > 0.75 * offset


@pytest.mark.parametrize(
    "options",
    [
        {"row_group_size": 30, "compression": "lz4", "use_dictionary": False, "write_page_checksum": True},
        {"row_group_size": 50, "compression": "zstd", "version": "1.0", "data_page_version": "2.0"},
        {"compression": "none", "use_dictionary": False, "column_encoding": dict.fromkeys(PRICE_COLUMNS, "PLAIN")},
        {"compression": "gzip", "write_statistics": False, "store_schema": False},
    ],
)
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.decimal128(20, 4)])
def test_other_encodings_are_read(
    catalog: CandleCatalog, daily: Timeframe, options: dict[str, object], kind: pa.DataType
) -> None:
    """Files of other programs, in other encodings and types and with nullable columns, are read correctly."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 100)
    frame[list(PRICE_COLUMNS)] = frame[list(PRICE_COLUMNS)].round().clip(upper=2.0**23)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for position, name in enumerate(PRICE_COLUMNS, start=1):
        table = table.set_column(position, name, table[name].cast(kind))
    (catalog.root / YEAR_FILE).parent.mkdir(parents=True)
    encodings = options.get("column_encoding") if kind == pa.float64() else None
    pq.write_table(table, catalog.root / YEAR_FILE, **{**options, "column_encoding": encodings})
    assert day_candles(catalog, daily)[1:] == [frame[name].tolist() for name in PRICE_COLUMNS]


def test_a_null_price_is_named(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A missing price in a foreign file is an error with its row, like NaN."""
    frame = synthetic_frame(1, daily, NEW_YEAR, 100)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    high = pa.array([None if row == 70 else value for row, value in enumerate(frame["high"])], pa.float64())
    (catalog.root / YEAR_FILE).parent.mkdir(parents=True)
    pq.write_table(table.set_column(2, "high", high), catalog.root / YEAR_FILE, row_group_size=60)
    with pytest.raises(InvalidCandles, match=r"2024.parquet row 71 at 2024-03-11T00:00:00Z has high nan"):
        day_candles(catalog, daily)


def test_other_programs_can_read_the_files(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A year file is plain Parquet with times in UTC."""
    candles = synthetic_candles(1, daily, NEW_YEAR, 100)
    catalog.merge("BTC_KRW", daily, candles)
    pd.testing.assert_frame_equal(pd.read_parquet(catalog.root / YEAR_FILE), to_frame(candles))


def test_the_first_of_several_errors_is_raised(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """The order of threads does not matter."""
    frame = synthetic_frame(1, minutely, NEW_YEAR, 60_000)
    frame.loc[[25_000, 45_000, 59_000], "timestamp"] = pd.NaT
    (catalog.root / "BTC_KRW/1M").mkdir(parents=True)
    frame.to_parquet(catalog.root / "BTC_KRW/1M/2024.parquet", index=False, row_group_size=10_000)
    for _ in range(10):
        with pytest.raises(InvalidCandles, match="row 25001 has no time"):
            catalog.read("BTC_KRW", minutely, NEW_YEAR, NEW_YEARS_EVE)


def test_a_broken_file_among_several_is_named(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """The error names the file with the damaged page, not another open file."""
    catalog.merge("BTC_KRW", minutely, synthetic_candles(1, minutely, date(2023, 12, 1), 100_000))
    path = catalog.root / "BTC_KRW/1M/2023.parquet"
    content = path.read_bytes()
    offset = pq.read_metadata(path).row_group(0).column(4).data_page_offset + 1_000
    path.write_bytes(content[:offset] + np.random.default_rng(1).bytes(50) + content[offset + 50 :])
    with pytest.raises(InvalidCandleFile, match=r"BTC_KRW/1M/2023.parquet: cannot be read"):
        catalog.read("BTC_KRW", minutely, date(2023, 12, 1), NEW_YEARS_EVE)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pa.table(dict.fromkeys(["timestamp", *PRICE_COLUMNS], np.zeros(1_000_001, np.int8))), "has 1,000,001 rows"),
        (pa.table({f"c{number}": [1] for number in range(1_001)}), "has 1,001 columns, more than the limit of 1,000"),
        (
            pa.table({"open": [1]}).replace_schema_metadata({"a": "x" * (4 << 20)}),
            "bytes of metadata, more than the limit of 4 MiB",
        ),
        (pa.table({"timestamp": [1], "open": [[1.0]]}), "its column open is of type list"),
    ],
)
def test_a_hostile_year_file_is_rejected_before_it_is_decoded(
    catalog: CandleCatalog, daily: Timeframe, table: pa.Table, reason: str
) -> None:
    """By its footer, which is within limits itself."""
    path = catalog.root / YEAR_FILE
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    with pytest.raises(DamagedCandleFile, match=reason):
        day_candles(catalog, daily)


def test_a_long_text_beside_the_candles_is_rejected(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A dictionary holds it once; each row would hold it again."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 366))
    path = catalog.root / YEAR_FILE
    note = pa.DictionaryArray.from_arrays(pa.array(np.zeros(366, np.int8)), ["x" * 2_000])
    pq.write_table(pq.read_table(path).append_column("note", note.cast(pa.string())), path)
    with pytest.raises(InvalidCandleFile, match="its column note has a text of 2,000 bytes"):
        read_extra_columns(catalog.place.series("BTC_KRW", daily).files()[0])


def test_a_footer_that_declares_more_rows_than_the_pages_hold_is_damage(
    catalog: CandleCatalog, daily: Timeframe
) -> None:
    """The candles that it promises do not exist."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 366))
    path = catalog.root / YEAR_FILE
    pq.write_table(pq.read_table(path).slice(0, 100), path, use_dictionary=False)
    content = path.read_bytes()
    start = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    hundred, more = b"\xc8\x01", b"\xca\x01"  # 100 and 101 in Thrift's compact protocol
    path.write_bytes(content[:start] + content[start:].replace(hundred, more))
    with pytest.raises(InvalidCandleFile, match=r"2024.parquet: cannot be read as Parquet \(.*(100|rows)"):
        day_candles(catalog, daily)
