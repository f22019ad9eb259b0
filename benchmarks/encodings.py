"""Size and single-core decoding time of a year of one-minute candles by encoding: ``python -m benchmarks.encodings``.

The arguments are files that ``coin candles import`` supports, with times in UTC; their candles are repeated until they
fill a year. Without arguments, synthetic candles are used.
"""

import io
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.report import format_facts, machine
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import MINUTE_NS, parse_timeframe
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, TIME_COLUMN, to_table
from coin_pipeline.candles.year_files.parquet import encode

ROWS, ROUNDS = 525_600, 15
SPLIT, PLAIN, DELTA = "BYTE_STREAM_SPLIT", "PLAIN", "DELTA_BINARY_PACKED"


def year_of_minutes(file: Path | None) -> pa.Table:
    """Return a year of one-minute candles in the stored schema."""
    candles = (
        synthetic_candles(1, parse_timeframe("1m"), date(2023, 1, 1), ROWS)
        if file is None
        else read_candle_file(file, tz="UTC").candles
    )
    rows = np.arange(ROWS) % len(candles.time)
    return to_table(candles.rows(rows)._replace(time=candles.time[0] + np.arange(ROWS) * MINUTE_NS))


def encode_variants(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Yield the label and the file content of each encoding."""
    yield "as stored", encode(table)
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    yield "as stored, nullable columns", _write(table.cast(nullable), SPLIT, DELTA, "lz4", 65_536, 131_072)
    for name, prices, opens, codec in (
        ("byte stream split, uncompressed", SPLIT, DELTA, "none"),
        ("byte stream split, zstd", SPLIT, DELTA, "zstd"),
        ("byte stream split, lz4, times plain", SPLIT, PLAIN, "lz4"),
        ("plain, uncompressed", PLAIN, DELTA, "none"),
        ("plain, lz4", PLAIN, DELTA, "lz4"),
        ("plain, snappy", PLAIN, DELTA, "snappy"),
        ("plain, zstd", PLAIN, DELTA, "zstd"),
    ):
        yield name, _write(table, prices, opens, codec, 65_536, 131_072)
    yield "as stored, row groups of 16,384", _write(table, SPLIT, DELTA, "lz4", 16_384, 131_072)
    yield "as stored, row groups of 262,144", _write(table, SPLIT, DELTA, "lz4", 262_144, 131_072)
    yield "as stored, pages of 1 MiB", _write(table, SPLIT, DELTA, "lz4", 65_536, 2**20)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    yield "PyArrow defaults: dictionaries, snappy", sink.getvalue()


def _write(table: pa.Table, prices: str, opens: str, codec: str, rows: int, page: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=rows,
        data_page_size=page,
        compression=codec,
        use_dictionary=False,
        column_encoding={TIME_COLUMN: opens, **dict.fromkeys(PRICE_COLUMNS, prices)},
        write_page_checksum=True,
    )
    return sink.getvalue()


def decoding_ms(content: bytes) -> float:
    """Return the median CPU time of decoding on one core, one row group at a time, ms."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False)
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times)


def main(files: Sequence[str]) -> None:
    """Print a table for each file, or for synthetic candles."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(f"{format_facts(machine())}; pyarrow {pa.__version__}")
    for file in map(Path, files) if files else [None]:
        table = Table(file.name if file else "synthetic candles", "bytes per row", "ms on one core")
        for name, content in encode_variants(year_of_minutes(file)):
            table.add_row(name, f"{len(content) / ROWS:.2f}", f"{decoding_ms(content):.1f}")
        console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
