"""Tables with types: Parquet and Feather."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.limits import FileLimits, check_count
from coin_pipeline.candles.imports.source import Content, Rows, Source
from coin_pipeline.candles.year_files.arrow import index_column
from coin_pipeline.candles.year_files.parquet_limits import (
    check_chosen,
    check_columns,
    check_parts,
    check_texts,
    check_types,
    is_text,
    open_limited,
)
from coin_pipeline.errors import InvalidCandleFile, coded

_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
_VALUES = (
    *(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_timestamp),
    *(pa.types.is_date, pa.types.is_time, pa.types.is_boolean, pa.types.is_null),
)


def open_parquet(path: Path, data: Content, _mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of a Parquet file; what it declares is checked before a page is decompressed."""
    with translate_errors(path):
        reader = open_limited(path, pa.BufferReader(data))
        schema = reader.schema_arrow
        names, index = tuple(schema.names), index_column(schema)
    check_count(path, reader.metadata.num_rows, limits)

    def read(positions: Sequence[int]) -> Rows:
        wanted = [names[at] for at in positions]
        _check_unique(path, names, wanted)
        check_chosen(path, reader, wanted, limits.expanded_bytes)
        texts = [name for name in wanted if is_text(schema.field(name).type)]
        with translate_errors(path):
            table = open_limited(path, pa.BufferReader(data), dictionaries=texts).read(wanted).select(wanted)
        return _rows(path, table)

    return Source(names, read, index=index)


def open_feather(path: Path, data: Content, _mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of a Feather file, version 2; its row count is checked before a row is decompressed."""
    with translate_errors(path):
        reader = pa.ipc.open_file(pa.BufferReader(data))
        schema, parts = reader.schema, reader.num_record_batches
        names, index = tuple(schema.names), index_column(schema)
    check_columns(path, len(names))
    check_parts(path, parts, "record batches")
    with translate_errors(path):
        rows = reader.count_rows()
    check_count(path, rows, limits)

    def read(positions: Sequence[int]) -> Rows:
        wanted = [names[at] for at in positions]
        _check_unique(path, names, wanted)
        check_types(path, schema, wanted, rows, limits.expanded_bytes)
        chosen = pa.ipc.IpcReadOptions(included_fields=sorted(positions))
        with translate_errors(path):
            table = pa.ipc.open_file(pa.BufferReader(data), options=chosen).read_all().select(wanted)
        return _rows(path, table)

    return Source(names, read, index=index)


def _rows(path: Path, table: pa.Table) -> Rows:
    columns = [_plain(path, name, column) for name, column in zip(table.column_names, table.columns, strict=True)]
    return Rows(columns, np.arange(1, table.num_rows + 1), Counter())


def _plain(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts of any type as plain texts, after a check of their lengths, and other columns as they are."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if kind not in _TEXTS:
        if not any(is_kind(column.type) for is_kind in _VALUES):
            raise InvalidCandleFile(path, coded("column_of_type", name=name, kind=column.type))
        return column
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(column.type) else chunk
        check_texts(path, name, texts.cast(pa.large_string()) if kind == pa.string_view() else texts)
    with translate_errors(path):
        plain = column.cast(pa.string())
        plain.validate(full=True)  # Arrow reads texts without a look at their encoding
    return plain


def _check_unique(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    twice = next((name for name in wanted if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidCandleFile(path, coded("columns_of_one_name", name=twice))
