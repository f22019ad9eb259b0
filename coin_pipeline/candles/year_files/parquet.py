"""The Parquet file of one year: encode, open selected row groups, summarize from the footer."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.candles.timeframe import SEOUL_OFFSET_NS
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, TIME_COLUMN, index_column, normalize_table
from coin_pipeline.candles.year_files.footer import (
    CHECKSUM_MARK,
    Footer,
    check_footer,
    checksum,
    footer_size,
    parse_footer,
)
from coin_pipeline.candles.year_files.parquet_limits import (
    TRAILER_BYTES,
    check_chosen,
    check_rows,
    is_text,
    open_limited,
    restore_texts,
)
from coin_pipeline.candles.year_files.places import OpenedFile, YearFile
from coin_pipeline.errors import DamagedCandleFile, InvalidCandleFile
from coin_pipeline.liveness import report_progress

_GROUP_ROWS = 65_536
_PAGE_BYTES = 131_072  # an uncompressed page still fits in the CPU cache when it is decoded
MAX_YEAR_ROWS = 1_000_000
"""Limit of a year file; a year has 527,040 minutes at most."""
_MAX_EXPANDED_BYTES = 1 << 28
_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def encode(table: pa.Table) -> bytes:
    """Encode a table for fast reads at a small size; `benchmarks.encodings` compares the alternatives.

    Equal candles give equal bytes, whatever the chunks of the table. Parquet has checksums for pages only, so a
    checksum of the footer is stored in front of it, where readers ignore it.
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
    start = len(content) - footer_size(bytes(content[-TRAILER_BYTES:]))
    return b"".join((content[:start], CHECKSUM_MARK, checksum(content[start:]), content[start:]))


class RowGroup(NamedTuple):
    """A row group of a file.

    Attributes:
        number: Its index in the file.
        first_row: Number of rows before it in the file.
        rows: Number of candles.
        opens: Earliest and latest open, ns UTC; None if the footer has no statistics.
    """

    number: int
    first_row: int
    rows: int
    opens: tuple[int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """Adjacent row groups of an open file.

    Attributes:
        source: Name of the file in error messages.
        groups: The row groups.
        footer: Metadata of the whole file.
    """

    source: str
    groups: tuple[RowGroup, ...]
    footer: Footer
    _opened: OpenedFile
    _metadata: pq.FileMetaData
    _time: str
    _idle_readers: deque[pq.ParquetFile]  # a reader is not thread-safe and not free to open

    @property
    def first_row(self) -> int:
        """Number of rows before these in the file."""
        return self.groups[0].first_row if self.groups else 0

    @property
    def rows(self) -> int:
        """Number of candles."""
        return sum(group.rows for group in self.groups)

    def fetch(self) -> Sequence[Future[Any]]:
        """Start to transfer the row groups; return the transfer of each, or none if the file is in a folder."""
        return self._opened.fetch(partial(_positions, self._metadata, self.groups))

    def read(self, group: RowGroup) -> pa.Table:
        """Return the candles of a row group in the form of `normalize_table`. Thread-safe once they are fetched.

        Raises:
            DamagedCandleFile: They cannot be read, or a column is missing.
            InvalidCandles: A row has no time.
        """
        part = partial(_positions, self._metadata, [group])
        with _translate_errors(self.source), self._opened.reading(part):
            try:
                reader = self._idle_readers.pop()
            except IndexError:
                reader = _open_reader(self._opened.file)
            table = reader.read_row_group(group.number, columns=[self._time, *PRICE_COLUMNS], use_threads=False)
            self._idle_readers.append(reader)
            if table.num_rows != group.rows:
                reason = f"row group {group.number} holds {table.num_rows:,} rows, not the {group.rows:,} of its footer"
                raise ValueError(reason)
            return normalize_table(self.source, table, self._time, SEOUL_OFFSET_NS, group.first_row)

    def content_sha256(self) -> str:
        """Return a digest of the candles of the whole file; a file without a stored digest is hashed whole.

        Raises:
            DamagedCandleFile: The file cannot be read.
        """
        with _translate_errors(self.source):
            file = self._opened.file
            return self.footer.sha256 or hashlib.sha256(file.read_at(file.size(), 0)).hexdigest()


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Time span and size of a file.

    Attributes:
        first: Earliest open, ns UTC.
        last: Latest open, ns UTC.
        rows: Number of candles.
    """

    first: int
    last: int
    rows: int


class FileSummary(NamedTuple):
    """Span and footer of a file; `span` is None for a file without rows."""

    span: FileSpan | None
    footer: Footer


def open_row_groups(
    year_file: YearFile, start_ns: int = -(2**63), end_ns: int = 2**63
) -> AbstractContextManager[RowGroups]:
    """Open the row groups that may contain candles of [start_ns, end_ns), and those between them.

    The transfer of the footer starts at once, and the context waits for it.

    Raises:
        DamagedCandleFile: The file cannot be read.
        StorageFailed: The bucket cannot be read.
    """
    return _row_groups_between(year_file.name, _open_file(year_file), start_ns, end_ns)


@contextmanager
def _row_groups_between(
    source: str, opening: AbstractContextManager[OpenedFile], start_ns: int, end_ns: int
) -> Iterator[RowGroups]:
    with opening as opened:
        file = opened.file
        with _translate_errors(source):
            check_footer(file)
            reader = open_limited(source, file)
            time = _time_column(reader.schema_arrow)
            _check_limits(source, reader, [time, *PRICE_COLUMNS])
            groups = _row_groups(reader, time)
            footer = parse_footer(reader.schema_arrow.metadata)
        hits = [g.number for g in groups if g.opens is None or (g.opens[0] < end_ns and g.opens[1] >= start_ns)]
        selected = groups[hits[0] : hits[-1] + 1] if hits else ()
        report_progress()
        yield RowGroups(source, selected, footer, opened, reader.metadata, time, deque([reader]))


def read_extra_columns(year_file: YearFile) -> list[tuple[str, pa.ChunkedArray]]:
    """Read the columns of a file other than the six of a candle, with their names.

    Raises:
        DamagedCandleFile: The file cannot be read.
        StorageFailed: The bucket cannot be read.
    """
    source = year_file.name
    with _open_file(year_file) as opened, _translate_errors(source):
        file = opened.file
        schema = open_limited(source, file).schema_arrow
        candle_columns = {_time_column(schema), *PRICE_COLUMNS}
        names = [name for name in schema.names if name not in candle_columns]
        # A dictionary holds a repeated text once, however long it is.
        reader = open_limited(source, file, dictionaries=[name for name in names if is_text(schema.field(name).type)])
        _check_limits(source, reader, names)
        columns = reader.read(names).columns
        return [
            (name, restore_texts(source, column, schema.field(name)))
            for name, column in zip(names, columns, strict=True)
        ]


def summarize(year_file: YearFile) -> FileSummary:
    """Return the span and the footer of a file; rows are read only if the footer has no statistics.

    Raises:
        DamagedCandleFile: The file cannot be read, or has no times.
        InvalidCandles: A row has no time.
        StorageFailed: The bucket cannot be read.
    """
    with open_row_groups(year_file) as file:
        opens = [group.opens or _opens(file.read(group)) for group in file.groups if group.rows]
    if not opens:
        return FileSummary(None, file.footer)
    span = FileSpan(min(first for first, _ in opens), max(last for _, last in opens), file.rows)
    return FileSummary(span, file.footer)


def _open_file(year_file: YearFile) -> AbstractContextManager[OpenedFile]:
    with _translate_errors(year_file.name):
        opening = year_file.open()
    return _translate_opening(year_file.name, opening)


@contextmanager
def _translate_opening(source: str, opening: AbstractContextManager[OpenedFile]) -> Iterator[OpenedFile]:
    with ExitStack() as stack:
        with _translate_errors(source):
            opened = stack.enter_context(opening)
        yield opened


@contextmanager
def _translate_errors(source: str) -> Iterator[None]:
    """Raise errors of Arrow and the operating system as DamagedCandleFile with the name of the file."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        remedy = "restore it from a backup, or delete it and fetch its candles again"
        raise DamagedCandleFile(source, f"cannot be read as Parquet ({_reason(error)}); {remedy}") from error
    except InvalidCandleFile as error:  # a limit, or a column; such a file was never written here
        raise DamagedCandleFile(source, error.problems[0].message.removeprefix(f"{source}: ")) from error


def _reason(error: Exception) -> str:
    """Return the cause without the path, which API clients must not see."""
    code = error.errno if isinstance(error, OSError) else None
    return os.strerror(code) if code else str(error).partition("\n")[0]


def _check_limits(source: str, reader: pq.ParquetFile, names: Sequence[str]) -> None:
    remedy = "a year has fewer minutes: restore the file from a backup"
    check_rows(source, reader.metadata.num_rows, MAX_YEAR_ROWS, remedy)
    check_chosen(source, reader, names, _MAX_EXPANDED_BYTES)


def _open_reader(file: pa.NativeFile) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True)


def _time_column(schema: pa.Schema) -> str:
    return TIME_COLUMN if TIME_COLUMN in schema.names else index_column(schema) or TIME_COLUMN


def _row_groups(reader: pq.ParquetFile, time: str) -> tuple[RowGroup, ...]:
    metadata = reader.metadata
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    leaf = paths.index(time) if time in paths else None
    groups, first_row = [], 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        opens = None if leaf is None else _open_range(group.column(leaf), reader.schema_arrow.field(time).type)
        groups.append(RowGroup(number, first_row, group.num_rows, opens))
        first_row += group.num_rows
    return tuple(groups)


def _positions(metadata: pq.FileMetaData, groups: Sequence[RowGroup]) -> list[tuple[int, int]]:
    """Return where the bytes of each row group start and end in the file."""
    positions = []
    for group in (metadata.row_group(group.number) for group in groups):
        chunks = [group.column(index) for index in range(group.num_columns)]
        starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
        positions.append((min(starts), max(ends)))
    return positions


def _open_range(chunk: pq.ColumnChunkMetaData, kind: pa.DataType) -> tuple[int, int] | None:
    statistics = chunk.statistics
    if not pa.types.is_timestamp(kind) or statistics is None or not statistics.has_min_max:
        return None
    unit, offset = _UNIT_NS[kind.unit], 0 if kind.tz else SEOUL_OFFSET_NS
    return statistics.min_raw * unit - offset, statistics.max_raw * unit - offset


def _opens(candles: pa.Table) -> tuple[int, int]:
    ends = pc.min_max(candles[TIME_COLUMN]).as_py()
    return ends["min"], ends["max"]
