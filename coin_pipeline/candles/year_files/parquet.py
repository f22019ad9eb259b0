"""One Parquet file with the candles of a year: opened in part, summed up from its footer, replaced as a whole."""

import errno
import os
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.candles.timeframe import SEOUL_OFFSET_NS
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, TIME_COLUMN, index_column, normalize_table
from coin_pipeline.candles.year_files.footer import Footer, parse_footer
from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

_GROUP_ROWS = 65_536
_PAGE_BYTES = 131_072  # unpacked, a page is still in the processor's cache when it is decoded
_END = 8  # after the footer stand its length, four bytes, and PAR1
_MARK = b"coin"


def encode(table: pa.Table) -> bytes:
    """Encode a table for the fastest read that is small too: `benchmarks.encodings` compares.

    How the table lies in memory does not matter: the same candles are the same bytes. Parquet has checksums of pages
    only, so one of the footer stands before it, where readers look for nothing.
    """
    sink = pa.BufferOutputStream()
    prices = dict.fromkeys(PRICE_COLUMNS, "BYTE_STREAM_SPLIT")
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=_GROUP_ROWS,
        data_page_size=_PAGE_BYTES,
        compression="lz4",
        use_dictionary=False,
        column_encoding={TIME_COLUMN: "DELTA_BINARY_PACKED", **prices},
        write_page_checksum=True,
    )
    content = memoryview(sink.getvalue())
    start = len(content) - _footer_size(bytes(content[-_END:]))
    return b"".join((content[:start], _MARK, _checksum(content[start:]), content[start:]))


def check_footer(file: pa.NativeFile) -> None:
    """Refuse a file whose footer is not the one that was written: it says where the candles are, and of which days.

    A file that somebody else wrote has no checksum, and is taken as it is.

    Raises:
        ValueError: The footer is damaged.
    """
    size = file.size()
    end = file.read_at(_END, max(size - _END, 0))
    before = len(_MARK) + 4
    found = file.read_at(_footer_size(end) + before, max(size - _footer_size(end) - before, 0))
    if found.startswith(_MARK) and found[len(_MARK) : before] != _checksum(found[before:]):
        raise ValueError("its footer is damaged")


def _footer_size(end: bytes) -> int:
    """Return how many bytes the footer and what is after it take."""
    return int.from_bytes(end[:4], "little") + _END


def _checksum(footer: bytes | memoryview) -> bytes:
    return zlib.crc32(footer).to_bytes(4, "little")


_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class RowGroup(NamedTuple):
    """A row group of a file.

    Attributes:
        number: Which one.
        first_row: Rows of the file before it.
        rows: How many candles.
        opens: Earliest and latest open, ns UTC; None where the footer is silent.
    """

    number: int
    first_row: int
    rows: int
    opens: tuple[int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """Neighbouring row groups of an open file.

    Attributes:
        source: What an error calls the file.
        groups: The row groups.
        footer: What the file says of all its candles.
    """

    source: str
    groups: tuple[RowGroup, ...]
    footer: Footer
    _file: pa.NativeFile
    _time: str
    _idle: deque[pq.ParquetFile]  # one is not for several threads at once, and costs a little

    @property
    def first_row(self) -> int:
        """Rows of the file before these."""
        return self.groups[0].first_row if self.groups else 0

    @property
    def rows(self) -> int:
        """How many candles."""
        return sum(group.rows for group in self.groups)

    def read(self, group: RowGroup) -> pa.Table:
        """Return the candles of a row group as `normalize_table` makes them; threads may read at the same time.

        Raises:
            InvalidCandleFile: They cannot be read, or a column is missing.
            InvalidCandles: A row has no time.
        """
        with _named(self.source):
            try:
                parquet = self._idle.pop()
            except IndexError:
                parquet = _parquet(self._file)
            raw = parquet.read_row_group(group.number, columns=[self._time, *PRICE_COLUMNS], use_threads=False)
            self._idle.append(parquet)
            return normalize_table(self.source, raw, self._time, SEOUL_OFFSET_NS, group.first_row)


@dataclass(frozen=True, slots=True)
class FileSpan:
    """What is in a file.

    Attributes:
        first: Earliest open, ns UTC.
        last: Latest open, ns UTC.
        rows: Number of candles.
    """

    first: int
    last: int
    rows: int


@contextmanager
def open_row_groups(path: Path, source: str, start_ns: int = -(2**63), end_ns: int = 2**63) -> Iterator[RowGroups]:
    """Open the row groups that can hold candles of [start_ns, end_ns), and those between them.

    Raises:
        InvalidCandleFile: The file cannot be read; the error calls it `source`.
    """
    with _opened(path, source) as file:
        with _named(source):
            check_footer(file)
            parquet = _parquet(file)
            time = _time_column(parquet.schema_arrow)
            every = _row_groups(parquet, time)
            footer = parse_footer(parquet.schema_arrow.metadata)
        wanted = [g.number for g in every if g.opens is None or (g.opens[0] < end_ns and g.opens[1] >= start_ns)]
        groups = every[wanted[0] : wanted[-1] + 1] if wanted else ()
        yield RowGroups(source, groups, footer, file, time, deque([parquet]))


def read_extra_columns(path: Path, source: str) -> list[tuple[str, pa.ChunkedArray]]:
    """Read the columns of a file that are not a candle's, by name.

    Raises:
        InvalidCandleFile: The file cannot be read.
    """
    with _opened(path, source) as file, _named(source):
        parquet = _parquet(file)
        candles = {_time_column(parquet.schema_arrow), *PRICE_COLUMNS}
        table = parquet.read([name for name in parquet.schema_arrow.names if name not in candles])
    return list(zip(table.column_names, table.columns, strict=True))


class FileSummary(NamedTuple):
    """What a file says of itself; `span` is None of a file without rows."""

    span: FileSpan | None
    footer: Footer


def summary(path: Path, source: str) -> FileSummary:
    """Return what a file holds, from its footer where that tells.

    Raises:
        InvalidCandleFile: The file cannot be read, or has no times.
        InvalidCandles: A row has no time.
    """
    with open_row_groups(path, source) as part:
        opens = [group.opens or _opens(part.read(group)) for group in part.groups if group.rows]
    if not opens:
        return FileSummary(None, part.footer)
    return FileSummary(
        FileSpan(min(first for first, _ in opens), max(last for _, last in opens), part.rows), part.footer
    )


def replace_file(path: Path, source: str, table: pa.Table) -> None:
    """Put a table in the place of a file: whoever reads sees the old one or the new one, whole.

    Only one process may replace a file at a time: the temporary file has a fixed name, so that a killed writer's is
    overwritten by the next one instead of being left behind.

    Raises:
        StorageFull: No space; the old file is as it was.
        StorageFailed: The file cannot be written; the old file is as it was.
    """
    content = encode(table)
    with translate_os_errors(source):
        atomic_write(path, content, path.with_name(f".{path.name}.tmp"), replace=True)


@contextmanager
def _opened(path: Path, source: str) -> Iterator[pa.NativeFile]:
    with _named(source):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder")  # Arrow's own words hold the whole path
        file = pa.OSFile(str(path))
    with file:
        yield file


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Raise what Arrow or the operating system says against a file as an error that names it."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        advice = "restore it from a backup, or delete it and fetch its candles again"
        raise InvalidCandleFile(source, f"cannot be read as Parquet ({_reason(error)}); {advice}") from error


def _reason(error: Exception) -> str:
    """Return what went wrong without the path, which is a secret to clients of the API."""
    code = error.errno if isinstance(error, OSError) else None
    return os.strerror(code) if code else str(error).partition("\n")[0]


def _parquet(file: pa.NativeFile) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True)


def _time_column(schema: pa.Schema) -> str:
    return TIME_COLUMN if TIME_COLUMN in schema.names else index_column(schema) or TIME_COLUMN


def _row_groups(parquet: pq.ParquetFile, time: str) -> tuple[RowGroup, ...]:
    metadata = parquet.metadata
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    leaf = paths.index(time) if time in paths else None
    found, first_row = [], 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        opens = None if leaf is None else _range(group.column(leaf), parquet.schema_arrow.field(time).type)
        found.append(RowGroup(number, first_row, group.num_rows, opens))
        first_row += group.num_rows
    return tuple(found)


def _range(chunk: pq.ColumnChunkMetaData, kind: pa.DataType) -> tuple[int, int] | None:
    statistics = chunk.statistics
    if not pa.types.is_timestamp(kind) or statistics is None or not statistics.has_min_max:
        return None
    unit, offset = _UNIT_NS[kind.unit], 0 if kind.tz else SEOUL_OFFSET_NS
    return statistics.min_raw * unit - offset, statistics.max_raw * unit - offset


def _opens(candles: pa.Table) -> tuple[int, int]:
    ends = pc.min_max(candles[TIME_COLUMN]).as_py()
    return ends["min"], ends["max"]
