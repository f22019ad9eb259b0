"""Limits of a Parquet file, checked in its footer: a few kilobytes can declare more rows than fit in memory."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.errors import InvalidCandleFile, coded

MAX_COLUMNS = 1_000
MAX_PARTS = 10_000
"""Limit of row groups, or of record batches; a year of minutes as written here has nine."""
MAX_FOOTER_BYTES = 4 << 20
MAX_TEXT_BYTES = 1_000
"""Limit of one text; times, prices and names of markets are shorter."""
TRAILER_BYTES = 8
"""Length of the footer (4 bytes) and the magic number PAR1."""
SPLIT = coded("split_file")
_MAX_DEPTH = 20


def open_limited(source: object, file: pa.NativeFile, *, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file whose footer is within the limits; no page is read.

    Args:
        source: Name of the file in an error message.
        file: The file.
        dictionaries: Columns of texts to read as dictionaries, which hold a repeated text once.

    Raises:
        InvalidCandleFile: A limit is exceeded.
        OSError, ValueError, pa.ArrowException: The file is damaged.
    """
    size = file.size()
    footer = int.from_bytes(file.read_at(TRAILER_BYTES, max(size - TRAILER_BYTES, 0))[:4], "little")
    if footer > MAX_FOOTER_BYTES and footer < size:
        raise InvalidCandleFile(source, coded("large_metadata", size=footer, limit=MAX_FOOTER_BYTES >> 20))
    reader = pq.ParquetFile(
        file,
        read_dictionary=list(dictionaries),
        page_checksum_verification=True,
        schema_depth_limit=_MAX_DEPTH,
    )
    metadata = reader.metadata
    check_columns(source, metadata.num_columns)
    check_parts(source, metadata.num_row_groups, "row groups")
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if sum(rows) != metadata.num_rows or min(rows, default=0) < 0:
        raise InvalidCandleFile(source, coded("other_row_count", declared=metadata.num_rows, held=sum(rows)))
    return reader


def check_columns(source: object, columns: int) -> None:
    """Check the number of columns.

    Raises:
        InvalidCandleFile: There are more than `MAX_COLUMNS`.
    """
    if columns > MAX_COLUMNS:
        raise InvalidCandleFile(source, coded("too_many_columns", columns=columns, limit=MAX_COLUMNS))


def check_parts(source: object, parts: int, kind: str) -> None:
    """Check the number of row groups or record batches.

    Raises:
        InvalidCandleFile: There are more than `MAX_PARTS`.
    """
    if parts > MAX_PARTS:
        raise InvalidCandleFile(source, coded("too_many_parts", parts=parts, kind=kind, limit=MAX_PARTS))


def check_rows(source: object, rows: int, limit: int, remedy: str = SPLIT) -> None:
    """Check the number of rows.

    Raises:
        InvalidCandleFile: There are more than `limit`.
    """
    if rows > limit:
        raise InvalidCandleFile(source, coded("too_many_rows", rows=rows, limit=limit, remedy=remedy))


def check_expansion(source: object, size: int, limit: int) -> None:
    """Check a number of decompressed bytes.

    Raises:
        InvalidCandleFile: They exceed `limit`.
    """
    if size > limit:
        raise InvalidCandleFile(source, coded("expands_too_far", limit=limit >> 20, remedy=SPLIT))


def check_chosen(source: object, reader: pq.ParquetFile, names: Collection[str], limit: int) -> None:
    """Check the columns to read: their types, and their declared size after decompression.

    Raises:
        InvalidCandleFile: One is nested, or the size exceeds `limit` bytes.
    """
    metadata = reader.metadata
    check_types(source, reader.schema_arrow, names, metadata.num_rows, limit)
    chosen = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path in names]
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    check_expansion(source, sum(group.column(at).total_uncompressed_size for group in groups for at in chosen), limit)


def check_types(source: object, schema: pa.Schema, names: Collection[str], rows: int, limit: int) -> None:
    """Check that columns are flat, and small enough at a fixed width.

    Raises:
        InvalidCandleFile: A column is nested, or its values exceed `limit` bytes.
    """
    for field in (schema.field(at) for at, name in enumerate(schema.names) if name in names):
        if pa.types.is_nested(field.type):
            shown = str(field.type)[:60]
            raise InvalidCandleFile(source, coded("column_of_type", name=field.name[:60], kind=shown))
        if not (is_text(field.type) or pa.types.is_null(field.type)):
            check_expansion(source, rows * field.type.bit_width // 8, limit)


def is_text(kind: pa.DataType) -> bool:
    """Return whether values are texts or bytes of any length."""
    return kind in {pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()}


def check_texts(source: object, name: str, texts: pa.ChunkedArray | pa.Array) -> None:
    """Check the longest text of a column.

    Raises:
        InvalidCandleFile: It exceeds `MAX_TEXT_BYTES`.
    """
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > MAX_TEXT_BYTES:
        raise InvalidCandleFile(source, coded("long_text", name=name[:60], size=longest, limit=MAX_TEXT_BYTES))


def restore_texts(source: object, column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Return a column of texts that was read as a dictionary in the type that its file has.

    Raises:
        InvalidCandleFile: A text exceeds `MAX_TEXT_BYTES`.
    """
    if column.type == field.type:
        return column
    for chunk in column.chunks:
        check_texts(source, field.name, chunk.dictionary)
    return column.cast(field.type)
