"""Tables in JSON: a list of candles, or one candle in each line."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from coin_pipeline.candles.imports.cells import cell_array
from coin_pipeline.candles.imports.limits import FileLimits, check_count
from coin_pipeline.candles.imports.source import Content, Rows, Source
from coin_pipeline.candles.year_files.parquet_limits import check_columns
from coin_pipeline.errors import InvalidCandleFile, coded

_LIST_KEYS = ("data", "result", "list", "candles", "ohlcv", "records")


def open_json(path: object, data: Content, _mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of a JSON list, or of JSON lines: objects, or lists without names."""
    records = _records(path, data)
    check_count(path, len(records), limits)
    if all(isinstance(record, dict) for record in records):
        names = tuple(dict.fromkeys(str(name) for record in records for name in record))
        check_columns(path, len(names))
        return Source(names, lambda at: _rows([[record.get(names[i]) for record in records] for i in at]))
    widths = Counter(len(record) if isinstance(record, list) else -1 for record in records)
    width = max(widths.most_common(1)[0][0], 1)
    wrong = next(
        (at for at, record in enumerate(records) if not isinstance(record, list) or len(record) != width), None
    )
    if wrong is not None:
        reason = coded("json_row", row=wrong + 1, width=width, record=str(records[wrong])[:60])
        raise InvalidCandleFile(path, reason)
    return Source(
        tuple(str(at + 1) for at in range(width)),
        lambda at: _rows([[record[i] for record in records] for i in at]),
        headed=False,
        first=tuple(map(str, records[0])),
    )


def _records(path: object, data: Content) -> list[Any]:
    content = _parse_json(path, data[:])
    while isinstance(content, dict):
        inner = next((content[key] for key in _LIST_KEYS if isinstance(content.get(key), list | dict)), None)
        if inner is None:
            keys = ", ".join(map(repr, list(content)[:8]))
            raise InvalidCandleFile(path, coded("json_object", keys=keys))
        content = inner
    if not isinstance(content, list) or not content:
        raise InvalidCandleFile(path, coded("no_candles"))
    return content


def _parse_json(path: object, data: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvalidCandleFile(path, coded("not_json")) from error


def _rows(columns: list[list[Any]]) -> Rows:
    """Return columns of cells; rows without any cell are kept, and left out later."""
    return Rows(
        [pa.chunked_array([cell_array(cells)]) for cells in columns], np.arange(1, len(columns[0]) + 1), Counter()
    )
