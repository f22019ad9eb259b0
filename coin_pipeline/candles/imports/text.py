"""Text tables: their encoding, delimiter and header, and lines that hold no candle."""

import csv as python_csv
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.header import SEARCHED_ROWS, Header, find_header, only_market
from coin_pipeline.candles.imports.left_out import BLANK, COMMENT, TOTAL, is_total
from coin_pipeline.candles.imports.limits import MAX_LINE_BYTES, FileLimits
from coin_pipeline.candles.imports.source import Content, Rows, Source
from coin_pipeline.candles.year_files.parquet_limits import check_columns, check_rows
from coin_pipeline.errors import InvalidCandleFile, coded

NULLS = ("", "-", "--", "NaN", "nan", "NAN", "null", "NULL", "None", "none", "N/A", "n/a", "NA", "#N/A", "NaT", "<NA>")
_HEAD_BYTES = 1 << 16
_PART_BYTES = 1 << 20
_DELIMITERS = "\t;|,"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class _Body(NamedTuple):
    """The lines below the header, as a part of the whole text: a copy would double its memory."""

    data: bytes
    start: int

    @property
    def buffer(self) -> pa.Buffer:
        return pa.py_buffer(self.data).slice(self.start)

    @property
    def lines(self) -> int:
        unended = self.start < len(self.data) and not self.data.endswith(b"\n")
        return self.data.count(b"\n", self.start) + unended


class _Shape(NamedTuple):
    """The delimiter, and the number of columns."""

    delimiter: str
    width: int


class _Dialect(NamedTuple):
    delimiter: str
    header: Header
    row: list[str]


def open_text(path: Path, content: Content, mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of a CSV text, whatever its encoding and delimiter.

    Raises:
        InvalidCandleFile: It is not a text, contains no table, or the columns of several markets.
    """
    data = _unify_lines(_to_utf8(path, content[:]))
    _check_first_lines(path, data)
    dialect = _dialect(data, mapping)
    if dialect is None:
        raise InvalidCandleFile(path, coded("no_candles"))
    header = dialect.header
    names = _fit(header.names, dialect.row)
    check_columns(path, len(names))
    start = _offset(data, header.body)

    def read(positions: Sequence[int]) -> Rows:
        return _read(path, _Body(data, start), _Shape(dialect.delimiter, len(names)), positions, limits)

    return Source(
        names,
        read,
        headed=header.headed,
        above=data[:start].decode().lower(),
        first=tuple(dialect.row),
        layout=header.layout,
        symbol=only_market(path, header.symbols),
        decimal_unclear=dialect.delimiter == ";",
    )


def _to_utf8(path: Path, data: bytes) -> bytes:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode(path, data[len(bom) :], encoding)
    for encoding, zeros in (("utf-16-le", data[1:64:2]), ("utf-16-be", data[0:64:2])):
        if len(zeros) > 1 and zeros.count(0) * 2 > len(zeros):
            return _decode(path, data, encoding)
    return data if data.isascii() else _decode_local(path, data)


def _check_first_lines(path: Path, data: bytes) -> None:
    """Reject a text whose first lines, which are searched for a header, have no end."""
    start = 0
    for line in range(1, SEARCHED_ROWS + 1):
        end = data.find(b"\n", start, start + MAX_LINE_BYTES)
        if end < 0 and len(data) - start > MAX_LINE_BYTES:
            raise InvalidCandleFile(path, coded("line_too_long", line=line, limit=MAX_LINE_BYTES >> 20))
        if end < 0:
            return
        start = end + 1


def _unify_lines(data: bytes) -> bytes:
    """Return the text with line feeds only, if some lines end with a carriage return alone."""
    if b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _decode_local(path: Path, data: bytes) -> bytes:
    for encoding in ("utf-8", "cp949", "cp1252"):  # wrong letters cannot change numbers, only hide names
        with suppress(UnicodeDecodeError):
            return _transcode(data, encoding)
    raise InvalidCandleFile(path, coded("unknown_encoding"))


def _decode(path: Path, data: bytes, encoding: str) -> bytes:
    try:
        return _transcode(data, encoding)
    except UnicodeDecodeError:
        raise InvalidCandleFile(path, coded("wrong_encoding", encoding=encoding.upper())) from None


def _transcode(data: bytes, encoding: str) -> bytes:
    """Return a text as UTF-8, in parts: as one string, each of its letters may need four bytes."""
    decoder = getincrementaldecoder(encoding)()
    parts = (data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES))
    if encoding == "utf-8":
        for part in parts:
            decoder.decode(part)
        decoder.decode(b"", final=True)
        return data
    texts = [decoder.decode(part).encode() for part in parts]
    return b"".join([*texts, decoder.decode(b"", final=True).encode()])


def _dialect(data: bytes, mapping: Mapping[str, str]) -> _Dialect | None:
    """Return the delimiter with which most columns are known or, without a header, there are most columns."""
    lines = data[:_HEAD_BYTES].decode(errors="ignore").splitlines()[:SEARCHED_ROWS]
    best, score = None, (-1, -1)
    for delimiter in _DELIMITERS:
        rows = list(python_csv.reader(lines, delimiter=delimiter))
        header = find_header(rows, mapping)
        if header is None:
            continue
        row = next((row for row in rows[header.body :] if any(row) and not row[0].startswith("#")), [])
        rank = (header.known, len(header.names))
        if rank > score:
            best, score = _Dialect(delimiter, header, row), rank
    return best


def _fit(names: tuple[str, ...], row: Sequence[str]) -> tuple[str, ...]:
    """Return the names with one more, or one fewer, if only a delimiter at the end of lines makes the difference."""
    if len(row) == len(names) + 1 and not row[-1].strip():
        return (*names, "")
    if row and len(row) == len(names) - 1 and not names[-1].strip():
        return names[:-1]
    return names


def _offset(data: bytes, lines: int) -> int:
    offset = 0
    for _ in range(lines):
        end = data.find(b"\n", offset)
        offset = len(data) if end < 0 else end + 1
    return offset


def _read(path: Path, body: _Body, shape: _Shape, positions: Sequence[int], limits: FileLimits) -> Rows:
    check_rows(path, body.lines, limits.rows)  # lines are split into one object each if some hold no candle
    table = _parse_regular(body, shape, positions)
    if table is not None:
        numbers, skipped = np.arange(1, table.num_rows + 1), Counter[str]()
    else:
        table, numbers, skipped = _parse_irregular(path, body, shape, positions)
    return Rows(table.columns, numbers, skipped)


def _parse_regular(body: _Body, shape: _Shape, positions: Sequence[int]) -> pa.Table | None:
    """Return the columns of a text in which each line is a row, or None."""
    try:
        table = _parse(body.buffer, shape, positions, None)
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == body.lines else None


def _parse_irregular(
    path: Path, body: _Body, shape: _Shape, positions: Sequence[int]
) -> tuple[pa.Table, npt.NDArray[np.int64], Counter[str]]:
    """Return the columns of a text with blank lines, comments, totals, or texts that span lines."""
    skipped: Counter[str] = Counter()
    text, lines = _drop_idle_lines(body.data[body.start :], skipped)
    ragged = _Ragged(path, shape.delimiter, lines)
    with translate_errors(path):
        table = _parse(pa.py_buffer(text), shape, positions, ragged)
    ragged.check(table.num_rows)
    skipped[TOTAL] += len(ragged.rows)
    numbers = np.delete(lines, [row.number - 1 for row in ragged.rows])
    if len(numbers) != table.num_rows:
        numbers = np.arange(1, table.num_rows + 1)
    return table, numbers, +skipped


def _drop_idle_lines(body: bytes, skipped: Counter[str]) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Return the text without blank lines and comments, and the numbers of the lines that remain."""
    lines = body.split(b"\n")
    if not lines[-1].strip():
        lines.pop()
    comments = [line.lstrip().startswith(b"#") for line in lines]
    kept = [at for at, line in enumerate(lines) if line.strip() and not comments[at]]
    skipped.update({COMMENT: sum(comments), BLANK: len(lines) - len(kept) - sum(comments)})
    return b"\n".join(lines[at] for at in kept), np.array(kept, np.int64) + 1


def _parse(body: pa.Buffer, shape: _Shape, positions: Sequence[int], ragged: "_Ragged | None") -> pa.Table:
    names = [f"f{position}" for position in range(shape.width)]
    wanted = [names[position] for position in positions]
    if not body.size:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    quoted = b'"' in bytes(body[:_HEAD_BYTES])
    return csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=ragged is None),
        parse_options=csv.ParseOptions(
            delimiter=shape.delimiter, newlines_in_values=quoted, invalid_row_handler=ragged
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=wanted,
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )


class _Ragged:
    """Collects rows with another number of columns than the header: totals at the end are left out."""

    def __init__(self, path: Path, delimiter: str, lines: npt.NDArray[np.int64]) -> None:
        self.path, self.delimiter, self.lines = path, delimiter, lines
        self.rows: list[csv.InvalidRow] = []

    def __call__(self, row: csv.InvalidRow) -> str:
        self.rows.append(row)
        return "skip"

    def check(self, kept: int) -> None:
        """Reject rows that are not a total below the last candle."""
        for row in self.rows:
            if not is_total(row.text.split(self.delimiter)[0]) or row.number <= kept:
                counts = {"actual": row.actual_columns, "expected": row.expected_columns}
                number = self.lines[row.number - 1]
                raise InvalidCandleFile(self.path, coded("ragged_row", row=number, **counts, text=row.text[:60]))
