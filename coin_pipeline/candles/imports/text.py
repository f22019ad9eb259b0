"""Text tables: their encoding, delimiter and header, and lines that hold no candle."""

import csv as python_csv
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from coin_pipeline.candles.imports.header import SEARCHED_ROWS, Header, find_header, only_market
from coin_pipeline.candles.imports.left_out import BLANK, COMMENT, TOTAL, is_total
from coin_pipeline.candles.imports.source import Rows, Source
from coin_pipeline.errors import InvalidCandleFile

NULLS = ("", "-", "--", "NaN", "nan", "NAN", "null", "NULL", "None", "none", "N/A", "n/a", "NA", "#N/A", "NaT", "<NA>")
_HEAD_BYTES = 1 << 16
_DELIMITERS = "\t;|,"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class _Dialect(NamedTuple):
    delimiter: str
    header: Header
    row: list[str]


def open_text(path: object, data: bytes, mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of a CSV text, whatever its encoding and delimiter.

    Raises:
        InvalidCandleFile: It is not a text, contains no table, or the columns of several markets.
    """
    data = _unify_lines(_to_utf8(path, data))
    dialect = _dialect(data, mapping)
    if dialect is None:
        raise InvalidCandleFile(path, "contains no candles")
    header = dialect.header
    names = _fit(header.names, dialect.row)
    body = data[_offset(data, header.body) :]

    def read(positions: Sequence[int]) -> Rows:
        return _read(path, body, dialect.delimiter, len(names), positions, max_rows)

    return Source(
        names,
        read,
        headed=header.headed,
        above=data[: _offset(data, header.body)].decode().lower(),
        first=tuple(dialect.row),
        layout=header.layout,
        symbol=only_market(path, header.symbols),
        decimal_unclear=dialect.delimiter == ";",
    )


def _to_utf8(path: object, data: bytes) -> bytes:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode(path, data[len(bom) :], encoding).encode()
    for encoding, zeros in (("utf-16-le", data[1:64:2]), ("utf-16-be", data[0:64:2])):
        if len(zeros) > 1 and zeros.count(0) * 2 > len(zeros):
            return _decode(path, data, encoding).encode()
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return _decode_local(path, data).encode()
    return data


def _unify_lines(data: bytes) -> bytes:
    """Return the text with line feeds only, if some lines end with a carriage return alone."""
    if b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _decode_local(path: object, data: bytes) -> str:
    for encoding in ("cp949", "cp1252"):  # wrong letters cannot change numbers, only hide names
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    raise InvalidCandleFile(path, "is not a text in UTF-8, Korean (cp949) or Western (cp1252); save it as CSV in UTF-8")


def _decode(path: object, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InvalidCandleFile(path, f"is not a text in {encoding.upper()}; save it as CSV in UTF-8") from None


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


def _read(path: object, body: bytes, delimiter: str, width: int, positions: Sequence[int], max_rows: int) -> Rows:
    table = _parse_regular(body, delimiter, width, positions)
    if table is not None:
        numbers, skipped = np.arange(1, table.num_rows + 1), Counter[str]()
    else:
        table, numbers, skipped = _parse_irregular(path, body, delimiter, width, positions)
    if table.num_rows > max_rows:
        raise InvalidCandleFile(path, f"has {table.num_rows:,} rows, more than the limit of {max_rows:,}; split it")
    return Rows(table.columns, numbers, skipped)


def _parse_regular(body: bytes, delimiter: str, width: int, positions: Sequence[int]) -> pa.Table | None:
    """Return the columns of a text in which each line is a row, or None."""
    try:
        table = _parse(body, delimiter, width, positions, None)
    except pa.ArrowInvalid:
        return None
    lines = body.count(b"\n") + (body != b"" and not body.endswith(b"\n"))
    return table if table.num_rows == lines else None


def _parse_irregular(
    path: object, body: bytes, delimiter: str, width: int, positions: Sequence[int]
) -> tuple[pa.Table, npt.NDArray[np.int64], Counter[str]]:
    """Return the columns of a text with blank lines, comments, totals, or texts that span lines."""
    skipped: Counter[str] = Counter()
    body, lines = _drop_idle_lines(body, skipped)
    ragged = _Ragged(path, delimiter, lines)
    table = _parse(body, delimiter, width, positions, ragged)
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


def _parse(body: bytes, delimiter: str, width: int, positions: Sequence[int], ragged: "_Ragged | None") -> pa.Table:
    names = [f"f{position}" for position in range(width)]
    wanted = [names[position] for position in positions]
    if not body:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    quoted = b'"' in body[:_HEAD_BYTES]
    return csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=ragged is None),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=quoted, invalid_row_handler=ragged),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=wanted,
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )


class _Ragged:
    """Collects rows with another number of columns than the header: totals at the end are left out."""

    def __init__(self, path: object, delimiter: str, lines: npt.NDArray[np.int64]) -> None:
        self.path, self.delimiter, self.lines = path, delimiter, lines
        self.rows: list[csv.InvalidRow] = []

    def __call__(self, row: csv.InvalidRow) -> str:
        self.rows.append(row)
        return "skip"

    def check(self, kept: int) -> None:
        """Reject rows that are not a total below the last candle."""
        for row in self.rows:
            if not is_total(row.text.split(self.delimiter)[0]) or row.number <= kept:
                held = f"has {row.actual_columns} instead of {row.expected_columns} columns: {row.text[:60]!r}"
                raise InvalidCandleFile(self.path, f"row {self.lines[row.number - 1]} {held}")
