"""One Parquet file with the candles of a year: read in part, summed up from its footer, replaced as a whole."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.market.candle_table import PRICES, TIME, index_column, plain_table
from coin_pipeline.market.footer import Footer, parse_footer
from coin_pipeline.market.timeframe import SEOUL_OFFSET_NS
from coin_pipeline.storage.atomic import storing, write_whole

_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_GROUP_ROWS = 65_536
_THREADED_ROWS = 20_000  # fewer are decoded before a second thread has woken up


class Part(NamedTuple):
    """Neighbouring row groups of a file.

    Attributes:
        table: Their candles, as `plain_table` makes them.
        first_row: Rows of the file before them.
        footer: What the file says of all its candles.
    """

    table: pa.Table
    first_row: int
    footer: Footer


@dataclass(frozen=True, slots=True)
class Span:
    """What is in a file.

    Attributes:
        first: Earliest open, ns UTC.
        last: Latest open, ns UTC.
        rows: Number of candles.
    """

    first: int
    last: int
    rows: int


def read_part(path: Path, source: str, start_ns: int, end_ns: int) -> Part:
    """Read the row groups that can hold candles of [start_ns, end_ns), and those between them.

    Raises:
        InvalidCandleFile: The file cannot be read, or lacks a column; the error calls it `source`.
        InvalidCandles: A row has no time.
    """
    with _opened(path, source) as file:
        time = _time_column(file.schema_arrow)
        ranges = _group_ranges(file, time)
        wanted = [i for i, r in enumerate(ranges) if r is None or (r[0] < end_ns and r[1] >= start_ns)]
        groups = range(wanted[0], wanted[-1] + 1) if wanted else range(0)
        first_row = sum(file.metadata.row_group(i).num_rows for i in range(groups.start))
        raw = _read(file, groups, [time, *PRICES])
        table = plain_table(source, raw, time, SEOUL_OFFSET_NS, first_row)
        return Part(table, first_row, parse_footer(file.schema_arrow.metadata))


def read_others(path: Path, source: str) -> list[tuple[str, pa.ChunkedArray]]:
    """Read the columns of a file that are not a candle's, by name.

    Raises:
        InvalidCandleFile: The file cannot be read.
    """
    with _opened(path, source) as file:
        schema = file.schema_arrow
        names = [name for name in schema.names if name not in {_time_column(schema), *PRICES}]
        table = _read(file, range(file.num_row_groups), names)
    return list(zip(table.column_names, table.columns, strict=True))


class Summary(NamedTuple):
    """What a file says of itself; `span` is None of a file without rows."""

    span: Span | None
    footer: Footer


def summary(path: Path, source: str) -> Summary:
    """Return what a file holds, from its footer where that tells.

    Raises:
        InvalidCandleFile: The file cannot be read, or has no times.
    """
    with _opened(path, source) as file:
        time = _time_column(file.schema_arrow)
        ranges = _group_ranges(file, time)
        rows = file.metadata.num_rows
        footer = parse_footer(file.schema_arrow.metadata)
    known = [r for r in ranges if r is not None]
    if len(known) < len(ranges):
        opens = read_part(path, source, -(2**63), 2**63).table[TIME]
        known = [pc.min_max(opens).as_py().values()] if rows else []
    if not rows:
        return Summary(None, footer)
    return Summary(Span(min(first for first, _ in known), max(last for _, last in known), rows), footer)


def replace(path: Path, source: str, table: pa.Table) -> None:
    """Put a table in the place of a file: whoever reads sees the old one or the new one, whole.

    Only one process may replace a file at a time: the temporary file has a fixed name, so that a killed writer's is
    overwritten by the next one instead of being left behind.

    Raises:
        StorageFull: No space; the old file is as it was.
        StorageFailed: The file cannot be written; the old file is as it was.
    """
    content = _encoded(table)
    with storing(source):
        write_whole(path, content, path.with_name(f".{path.name}.tmp"), replace=True)


def _encoded(table: pa.Table) -> pa.Buffer:
    """Encode a table for the fastest read: measured against dictionaries, zstd and snappy, and the smallest too."""
    sink = pa.BufferOutputStream()
    prices = dict.fromkeys(PRICES, "BYTE_STREAM_SPLIT")
    pq.write_table(
        table,
        sink,
        row_group_size=_GROUP_ROWS,
        compression="lz4",
        use_dictionary=False,
        column_encoding={TIME: "DELTA_BINARY_PACKED", **prices},
        write_page_checksum=True,
    )
    return sink.getvalue()


@contextmanager
def _opened(path: Path, source: str) -> Iterator[pq.ParquetFile]:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder")  # Arrow's own words hold the whole path
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, ValueError, pa.ArrowException) as error:
        advice = "restore it from a backup, or delete it and fetch its candles again"
        raise InvalidCandleFile(source, f"cannot be read as Parquet ({_reason(error)}); {advice}") from error


def _reason(error: Exception) -> str:
    """Return what went wrong without the path, which is a secret to clients of the API."""
    code = error.errno if isinstance(error, OSError) else None
    return os.strerror(code) if code else str(error).partition("\n")[0]


def _read(file: pq.ParquetFile, groups: range, columns: list[str]) -> pa.Table:
    rows = sum(file.metadata.row_group(i).num_rows for i in groups)
    return file.read_row_groups(list(groups), columns=columns, use_threads=rows > _THREADED_ROWS)


def _time_column(schema: pa.Schema) -> str:
    return TIME if TIME in schema.names else index_column(schema) or TIME


def _group_ranges(file: pq.ParquetFile, time: str) -> list[tuple[int, int] | None]:
    """Return the earliest and the latest open of each row group, None where its statistics are silent."""
    metadata = file.metadata
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    if time not in paths:
        return [None] * metadata.num_row_groups
    leaf, kind = paths.index(time), file.schema_arrow.field(time).type
    return [_range(metadata.row_group(i).column(leaf), kind) for i in range(metadata.num_row_groups)]


def _range(chunk: pq.ColumnChunkMetaData, kind: pa.DataType) -> tuple[int, int] | None:
    statistics = chunk.statistics
    if not pa.types.is_timestamp(kind) or statistics is None or not statistics.has_min_max:
        return None
    unit, offset = _UNIT_NS[kind.unit], 0 if kind.tz else SEOUL_OFFSET_NS
    return statistics.min_raw * unit - offset, statistics.max_raw * unit - offset
