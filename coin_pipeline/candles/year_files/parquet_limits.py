"""Limits of a Parquet file, checked in its footer: a few kilobytes can declare more rows than fit in memory."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.errors import InvalidCandleFile

MAX_COLUMNS = 1_000
MAX_PARTS = 10_000
"""Limit of row groups, or of record batches; a year of minutes as written here has nine."""
MAX_FOOTER_BYTES = 4 << 20
MAX_TEXT_BYTES = 1_000
"""Limit of one text; times, prices and names of markets are shorter."""
TRAILER_BYTES = 8
"""Length of the footer (4 bytes) and the magic number PAR1."""
SPLIT = "split it, or raise COIN_IMPORT_MEMORY_MIB"
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
        limit = f"the limit of {MAX_FOOTER_BYTES >> 20} MiB"
        raise InvalidCandleFile(source, f"has {footer:,} bytes of metadata, more than {limit}; write only the candles")
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
        raise InvalidCandleFile(
            source, f"is damaged: it declares {metadata.num_rows:,} rows, its row groups {sum(rows):,}"
        )
    return reader


def check_columns(source: object, columns: int) -> None:
    """Check the number of columns.

    Raises:
        InvalidCandleFile: There are more than `MAX_COLUMNS`.
    """
    if columns > MAX_COLUMNS:
        reason = f"has {columns:,} columns, more than the limit of {MAX_COLUMNS:,}"
        raise InvalidCandleFile(source, f"{reason}; write only time, open, high, low, close and volume")


def check_parts(source: object, parts: int, kind: str) -> None:
    """Check the number of row groups or record batches.

    Raises:
        InvalidCandleFile: There are more than `MAX_PARTS`.
    """
    if parts > MAX_PARTS:
        raise InvalidCandleFile(
            source, f"has {parts:,} {kind}, more than the limit of {MAX_PARTS:,}; write it again with larger ones"
        )


def check_rows(source: object, rows: int, limit: int, remedy: str = SPLIT) -> None:
    """Check the number of rows.

    Raises:
        InvalidCandleFile: There are more than `limit`.
    """
    if rows > limit:
        raise InvalidCandleFile(source, f"has {rows:,} rows, more than the limit of {limit:,}; {remedy}")


def check_expansion(source: object, size: int, limit: int) -> None:
    """Check a number of decompressed bytes.

    Raises:
        InvalidCandleFile: They exceed `limit`.
    """
    if size > limit:
        raise InvalidCandleFile(source, f"expands to more than {limit >> 20:,} MiB; {SPLIT}")


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
            raise InvalidCandleFile(source, f"its column {field.name[:60]} is of type {shown}; store numbers or texts")
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
        reason = f"its column {name[:60]} has a text of {longest:,} bytes, more than the limit of {MAX_TEXT_BYTES:,}"
        raise InvalidCandleFile(source, f"{reason}; write times, numbers and names only")


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
