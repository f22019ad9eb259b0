"""Excel workbooks: the only sheet that holds a table."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum

from coin_pipeline.candles.imports.cells import cell_array
from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.header import SEARCHED_ROWS, Header, find_header, only_market
from coin_pipeline.candles.imports.limits import FileLimits, check_count, check_entries
from coin_pipeline.candles.imports.source import Content, Rows, Source
from coin_pipeline.candles.year_files.parquet_limits import check_columns, check_expansion
from coin_pipeline.errors import InvalidCandleFile, coded

_CHUNK_ROWS = 50_000
Cell = int | float | str | bool | date | datetime | time | timedelta | None


class _Table(NamedTuple):
    sheet: CalamineSheet
    texts: list[list[str]]
    header: Header


def open_sheet(path: Path, data: Content, mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of the only sheet of an Excel workbook that has one."""
    _check_archive(path, data, limits)
    found = _tables(path, data, mapping)
    candles = {name: table for name, table in found.items() if table.header.known or not table.header.headed}
    found = candles or found
    if len(found) != 1:
        named = f": {', '.join(map(repr, found))}" if found else ""
        raise InvalidCandleFile(path, coded("sheets_with_tables", count=len(found), named=named))
    ((sheet, texts, header),) = found.values()
    end = sheet.end
    count = end[0] + 1 - header.body if end else 0
    check_count(path, count, limits)
    return Source(
        header.names,
        lambda at: _read(sheet, header.body, at),
        headed=header.headed,
        first=tuple(texts[header.body]) if header.body < len(texts) else (),
        layout=header.layout,
        symbol=only_market(path, header.symbols),
    )


def _check_archive(path: Path, data: Content, limits: FileLimits) -> None:
    """Check what a workbook in the format of a zip archive declares; .xls is not compressed."""
    if data[:2] == b"PK":
        with translate_errors(path):
            archive = zipfile.ZipFile(pa.BufferReader(data))
        check_entries(path, archive)
        check_expansion(path, sum(entry.file_size for entry in archive.infolist()), limits.expanded_bytes)


def _tables(path: Path, data: Content, mapping: Mapping[str, str]) -> dict[str, _Table]:
    """Return the sheets that hold a table, by name."""
    found = {}
    for sheet in _sheets(path, data):
        check_columns(path, (sheet.end or (0, 0))[1] + 1)
        texts = [["" if cell is None else str(cell) for cell in row] for row in islice(_cells(sheet), SEARCHED_ROWS)]
        header = find_header(texts, mapping)
        if header is not None:
            found[sheet.name] = _Table(sheet, texts, header)
    return found


def _sheets(path: Path, data: Content) -> Iterator[CalamineSheet]:
    try:
        workbook = CalamineWorkbook.from_filelike(pa.BufferReader(data))
        for sheet in workbook.sheets_metadata:
            if sheet.typ == SheetTypeEnum.WorkSheet:
                yield workbook.get_sheet_by_name(sheet.name)
    except MemoryError:
        raise
    except Exception as error:  # calamine's errors have no base class but Exception
        raise InvalidCandleFile(path, coded("not_a_workbook")) from error


def _cells(sheet: CalamineSheet) -> Iterator[list[Cell]]:
    """Yield the rows of a sheet from its first, with None for blank cells."""
    (top, left), (_, right) = sheet.start or (0, 0), sheet.end or (0, 0)
    for _ in range(top):
        yield [None] * (right + 1)
    for row in sheet.iter_rows():
        yield [*[None] * left, *map(_plain, row)]


def _plain(cell: Cell) -> Cell:
    """Return a cell, a whole number as an integer; Excel has floats only."""
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else cell
    return None if cell == "" else cell


def _read(sheet: CalamineSheet, body: int, positions: Sequence[int]) -> Rows:
    """Return columns of a sheet; rows without any cell are kept, and left out later."""
    rows = islice(_cells(sheet), body, None)
    parts: list[list[pa.Array]] = [[] for _ in positions]
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        for column, at in zip(parts, positions, strict=True):
            column.append(cell_array([row[at] for row in chunk]))
    columns = [_unify(sheet, body, at, arrays) for at, arrays in zip(positions, parts, strict=True)]
    return Rows(columns, np.arange(1, len(columns[0]) + 1), Counter())


def _unify(sheet: CalamineSheet, body: int, at: int, arrays: list[pa.Array]) -> pa.ChunkedArray:
    """Return the parts of a column in one type."""
    kinds = {array.type for array in arrays if array.null_count < len(array)}
    if len(kinds) > 1:
        return pa.chunked_array([cell_array([row[at] for row in islice(_cells(sheet), body, None)])])
    kind = next(iter(kinds), pa.float64())
    return pa.chunked_array([array.cast(kind) for array in arrays])
