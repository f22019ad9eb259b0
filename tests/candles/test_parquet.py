"""The bytes of year files: the same for the same candles, none of them wrong unseen, older encodings still read."""

import itertools
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, normalize_table, to_ohlcv, to_table
from coin_pipeline.candles.year_files.parquet import encode
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles

NEW_YEAR, NEW_YEARS_EVE = date(2024, 1, 1), date(2024, 12, 31)
YEAR_FILE = "BTC_KRW/1D/2024.parquet"


def day_candles(catalog: CandleCatalog, daily: Timeframe) -> list[list[float]]:
    """Read the year, as lists that can be compared."""
    bars = catalog.read("BTC_KRW", daily, NEW_YEAR, NEW_YEARS_EVE)
    return [getattr(bars, name).tolist() for name in ("time", *PRICE_COLUMNS)]


def test_the_same_candles_are_the_same_bytes(minutely: Timeframe) -> None:
    """However a table lies in memory, and whatever chunks it comes in, its file is the same."""
    frame = synthetic_candles(1, minutely, NEW_YEAR, 100_000)
    columns = to_ohlcv(normalize_table("frame", pa.Table.from_pandas(frame, preserve_index=False)))
    words = pa.chunked_array([pa.array(["a", None, "b"] * 20_000), pa.array(["c"] * 40_000)])
    whole = to_table(columns, [("note", words)])
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 70_000), whole.slice(70_001)])
    assert pieces.column("close").num_chunks == 3
    assert encode(whole) == encode(pieces)


def test_the_order_of_merging_leaves_no_trace(tmp_path: Path, daily: Timeframe) -> None:
    """Candles merged at once, in pieces, or twice end as the same file, byte by byte."""
    frame = synthetic_candles(1, daily, NEW_YEAR, 200)
    pieces = [frame.iloc[120:], frame.iloc[:50], frame.iloc[40:130]]
    found = set()
    for number, order in enumerate([[frame], *itertools.permutations(pieces)]):
        catalog = CandleCatalog(tmp_path / str(number))
        for piece in order:
            catalog.merge("BTC_KRW", daily, piece)
        found.add((catalog.root / YEAR_FILE).read_bytes())
    assert len(found) == 1


def test_no_byte_of_the_footer_passes_when_it_is_wrong(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The footer says where candles are and of which days: each wrong byte is an error that names the file."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 100))
    path = catalog.root / YEAR_FILE
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for offset in range(start, len(content)):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ (1 << offset % 8)]) + content[offset + 1 :])
        with pytest.raises(InvalidCandleFile, match=YEAR_FILE):
            day_candles(catalog, daily)


def test_no_byte_of_a_page_passes_when_it_is_wrong(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Whatever byte before the footer changes, pages and what stands before each, a read is right or refused."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, NEW_YEAR, 40))
    expected, path = day_candles(catalog, daily), catalog.root / YEAR_FILE
    content = path.read_bytes()
    refused = 0
    for offset in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little")):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ (1 << offset % 8)]) + content[offset + 1 :])
        try:
            assert day_candles(catalog, daily) == expected
        except (InvalidCandleFile, InvalidCandles):
            refused += 1
    assert refused > 0.75 * offset


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
    """Files of this and other programs, in other encodings and types, with columns that may be null, are read right."""
    frame = synthetic_candles(1, daily, NEW_YEAR, 100)
    frame[list(PRICE_COLUMNS)] = frame[list(PRICE_COLUMNS)].round().clip(upper=2.0**23)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for position, name in enumerate(PRICE_COLUMNS, start=1):
        table = table.set_column(position, name, table[name].cast(kind))
    (catalog.root / YEAR_FILE).parent.mkdir(parents=True)
    encodings = options.get("column_encoding") if kind == pa.float64() else None
    pq.write_table(table, catalog.root / YEAR_FILE, **{**options, "column_encoding": encodings})
    assert day_candles(catalog, daily)[1:] == [frame[name].tolist() for name in PRICE_COLUMNS]


def test_a_null_price_is_named(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A price that is not there in somebody else's file is an error with its row, as NaN is."""
    frame = synthetic_candles(1, daily, NEW_YEAR, 100)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    high = pa.array([None if row == 70 else value for row, value in enumerate(frame["high"])], pa.float64())
    (catalog.root / YEAR_FILE).parent.mkdir(parents=True)
    pq.write_table(table.set_column(2, "high", high), catalog.root / YEAR_FILE, row_group_size=60)
    with pytest.raises(InvalidCandles, match=r"2024.parquet row 71 at 2024-03-11T00:00:00Z has high nan"):
        day_candles(catalog, daily)


def test_other_programs_read_the_files(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A year file is plain Parquet with times in UTC."""
    frame = synthetic_candles(1, daily, NEW_YEAR, 100)
    catalog.merge("BTC_KRW", daily, frame)
    pd.testing.assert_frame_equal(pd.read_parquet(catalog.root / YEAR_FILE), frame)


def test_of_several_errors_the_first_is_told(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """Threads that read row groups at once do not make it a matter of luck which error is raised."""
    frame = synthetic_candles(1, minutely, NEW_YEAR, 60_000)
    frame.loc[[25_000, 45_000, 59_000], "timestamp"] = pd.NaT
    (catalog.root / "BTC_KRW/1M").mkdir(parents=True)
    frame.to_parquet(catalog.root / "BTC_KRW/1M/2024.parquet", index=False, row_group_size=10_000)
    for _ in range(10):
        with pytest.raises(InvalidCandles, match="row 25001 has no time"):
            catalog.read("BTC_KRW", minutely, NEW_YEAR, NEW_YEARS_EVE)


def test_a_broken_file_among_several_is_named(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """The error names the file whose page is broken, not one of those that are open beside it."""
    catalog.merge("BTC_KRW", minutely, synthetic_candles(1, minutely, date(2023, 12, 1), 100_000))
    path = catalog.root / "BTC_KRW/1M/2023.parquet"
    content = path.read_bytes()
    offset = pq.read_metadata(path).row_group(0).column(4).data_page_offset + 1_000
    path.write_bytes(content[:offset] + np.random.default_rng(1).bytes(50) + content[offset + 50 :])
    with pytest.raises(InvalidCandleFile, match=r"BTC_KRW/1M/2023.parquet: cannot be read"):
        catalog.read("BTC_KRW", minutely, date(2023, 12, 1), NEW_YEARS_EVE)
