"""Tables with types: Parquet, Feather, JSON and spreadsheets."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from coin_pipeline.candles.imports.header import SEARCHED_ROWS, find_header, only_market
from coin_pipeline.candles.imports.source import Rows, Source
from coin_pipeline.candles.imports.text import NULLS
from coin_pipeline.candles.year_files.arrow import index_column
from coin_pipeline.errors import InvalidCandleFile

_LIST_KEYS = ("data", "result", "list", "candles", "ohlcv", "records")
_MAX_EXPANDED_SHEET = 1 << 28


def open_parquet(path: object, data: pa.Buffer, _mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of a Parquet file; its row count is checked before a row is decompressed."""
    file = parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    check_row_count(path, file.metadata.num_rows, max_rows)
    schema = file.schema_arrow

    def read(positions: Sequence[int]) -> Rows:
        names = [schema.names[at] for at in positions]
        return _rows(file.read(columns=names).select(names))

    return Source(tuple(schema.names), read, index=index_column(schema))


def open_feather(path: object, data: pa.Buffer, _mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of a Feather file, version 2; its row count is checked before a row is decompressed."""
    reader = pa.ipc.open_file(pa.BufferReader(data))
    check_row_count(path, reader.count_rows(), max_rows)
    names = tuple(reader.schema.names)
    return Source(names, lambda at: _rows(reader.read_all().select(list(at))), index=index_column(reader.schema))


def open_json(path: object, data: bytes, _mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of a JSON list, or of JSON lines: objects, or lists without names."""
    records = _records(path, data)
    check_row_count(path, len(records), max_rows)
    if all(isinstance(record, dict) for record in records):
        names = tuple(dict.fromkeys(str(name) for record in records for name in record))
        return Source(names, lambda at: _cells([[record.get(names[i]) for record in records] for i in at]))
    widths = Counter(len(record) if isinstance(record, list) else -1 for record in records)
    width = max(widths.most_common(1)[0][0], 1)
    wrong = next(
        (at for at, record in enumerate(records) if not isinstance(record, list) or len(record) != width), None
    )
    if wrong is not None:
        raise InvalidCandleFile(path, f"row {wrong + 1} is not a list of {width} values: {str(records[wrong])[:60]!r}")
    return Source(
        tuple(str(at + 1) for at in range(width)),
        lambda at: _cells([[record[i] for record in records] for i in at]),
        headed=False,
        first=tuple(map(str, records[0])),
    )


def _records(path: object, data: bytes) -> list[Any]:
    content = _parse_json(path, data)
    while isinstance(content, dict):
        inner = next((content[key] for key in _LIST_KEYS if isinstance(content.get(key), list | dict)), None)
        if inner is None:
            keys = ", ".join(map(repr, list(content)[:8]))
            reason = f"is a JSON object with the keys {keys}; write a list of candles (pandas: orient='records')"
            raise InvalidCandleFile(path, reason)
        content = inner
    if not isinstance(content, list) or not content:
        raise InvalidCandleFile(path, "contains no candles")
    return content


def _parse_json(path: object, data: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvalidCandleFile(path, "is neither JSON nor JSON lines") from error


def open_sheet(path: object, data: bytes, mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of the only sheet of an Excel workbook that has one."""
    _check_expanded_size(path, data)
    try:
        sheets = pd.read_excel(io.BytesIO(data), sheet_name=None, header=None, dtype=object, engine="calamine")
    except Exception as error:  # calamine's errors have no base class but Exception
        raise InvalidCandleFile(path, "cannot be read as an Excel workbook; save it as .xlsx or CSV") from error
    found = {}
    for name, frame in sheets.items():
        cells = frame.astype(object).where(frame.notna(), None).to_numpy(dtype=object)
        texts = [["" if cell is None else str(cell) for cell in row] for row in cells[:SEARCHED_ROWS]]
        header = find_header(texts, mapping)
        if header is not None:
            found[name] = (cells, texts, header)
    candles = {name: sheet for name, sheet in found.items() if sheet[2].known or not sheet[2].headed}
    found = candles or found
    if len(found) != 1:
        named = f": {', '.join(map(repr, found))}" if found else ""
        raise InvalidCandleFile(path, f"has {len(found)} sheets with a table{named}; keep the one with the candles")
    cells, texts, header = next(iter(found.values()))
    body = cells[header.body :]
    check_row_count(path, len(body), max_rows)
    return Source(
        header.names,
        lambda at: _cells([list(body[:, i]) for i in at]),
        headed=header.headed,
        first=tuple(texts[header.body]) if header.body < len(texts) else (),
        layout=header.layout,
        symbol=only_market(path, header.symbols),
    )


def _check_expanded_size(path: object, data: bytes) -> None:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_EXPANDED_SHEET:
            limit = _MAX_EXPANDED_SHEET >> 20
            raise InvalidCandleFile(
                path, f"expands to {size >> 20:,} MiB, more than the limit of {limit} MiB; split it"
            )


def check_row_count(path: object, rows: int, max_rows: int) -> None:
    """Check the number of rows.

    Raises:
        InvalidCandleFile: There are more than `max_rows`, or none.
    """
    if rows > max_rows:
        raise InvalidCandleFile(path, f"has {rows:,} rows, more than the limit of {max_rows:,}; split it")
    if not rows:
        raise InvalidCandleFile(path, "contains no candles")


def _rows(table: pa.Table) -> Rows:
    columns = [_plain(column) for column in table.columns]
    return Rows(columns, np.arange(1, table.num_rows + 1), Counter())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts of any type as plain texts, and other columns as they are."""
    kind = column.type
    texts = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(texts) or pa.types.is_large_string(texts) or pa.types.is_string_view(texts)
    return column.cast(pa.string()) if is_text else column


def _cells(columns: list[list[Any]]) -> Rows:
    """Return columns of cells of mixed types; rows without any cell are kept, and left out later."""
    return Rows(
        [pa.chunked_array([_cell_array(cells)]) for cells in columns], np.arange(1, len(columns[0]) + 1), Counter()
    )


def _cell_array(cells: list[Any]) -> pa.Array:
    """Return cells as timestamps or numbers if all of them are, else as texts."""
    cells = [None if isinstance(cell, str) and cell.strip() in NULLS else cell for cell in cells]
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds and all(issubclass(kind, date) for kind in kinds):
        return pa.array(pd.DatetimeIndex(cells).as_unit("ns").round("ms"))  # Excel counts days in floats
    if kinds == {int}:
        with suppress(OverflowError):
            return pa.array(cells, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


def _text(cell: object) -> str:
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)
