"""Conversion between Arrow tables and OHLCV columns: required columns and their types."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles, coded

TIME_COLUMN = "timestamp"
PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
TIME_TYPE = pa.timestamp("ns", "UTC")
_MAX_EXACT = 2**53


def index_column(schema: pa.Schema) -> str | None:
    """Return the column that holds a single-column pandas index, or None."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return index[0] if len(index) == 1 and isinstance(index[0], str) else None


def normalize_table(
    source: object, table: pa.Table, time: str = TIME_COLUMN, naive_offset_ns: int | None = None, first_row: int = 0
) -> pa.Table:
    """Return the candles of a table as timestamp (int64 ns UTC) and float64 columns, in their order, not validated.

    Args:
        source: Name of the table in an error message.
        table: A table with the column `time`, a timestamp of any unit, and numeric prices and volume.
        time: Name of the column with the open times.
        naive_offset_ns: Offset of timestamps without a time zone from UTC, in ns; None rejects such timestamps.
        first_row: Number of rows before this table, added to row numbers in error messages.

    Raises:
        InvalidCandleFile: A column is missing or has the wrong type, or timestamps lack a time zone.
        InvalidCandles: A row has no time.
    """
    missing = [name for name in (time, *PRICE_COLUMNS) if name not in table.column_names]
    if missing:
        required = ", ".join((TIME_COLUMN, *PRICE_COLUMNS))
        raise InvalidCandleFile(source, coded("column_absent", missing=", ".join(missing), required=required))
    timestamps = table[time]
    if timestamps.null_count:
        row = first_row + pc.index(timestamps.is_null(), value=True).as_py() + 1
        raise InvalidCandles(source, timestamps.null_count, coded("row_without_time", row=row))
    opens = _int64_ns(source, timestamps, naive_offset_ns)
    prices = [to_float64(source, name, table[name], first_row + 1) for name in PRICE_COLUMNS]
    return pa.table([opens, *prices], names=[TIME_COLUMN, *PRICE_COLUMNS])


def to_ohlcv(normalized: pa.Table) -> OHLCV:
    """Return the columns of a normalized table as read-only arrays."""
    # Combining the chunks in Arrow's warm memory costs half of what ChunkedArray.to_numpy does per column.
    return OHLCV(*(column.to_numpy() for column in normalized.combine_chunks().columns))


def copy_into(normalized: pa.Table, candles: OHLCV) -> None:
    """Copy the rows of a normalized table into arrays of the same length."""
    for target, column in zip(candles, normalized.columns, strict=True):
        start = 0
        for chunk in column.chunks:
            target[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)  # null becomes NaN
            start += len(chunk)


def to_table(candles: OHLCV, extra: Sequence[tuple[str, pa.ChunkedArray]] = ()) -> pa.Table:
    """Return candles, followed by extra named columns, as the table that is stored."""
    columns = [pa.array(candles.time).cast(TIME_TYPE), *map(pa.array, candles[1:])]
    # Non-nullable columns are read faster: the reader does not look for nulls.
    fields = [
        pa.field(TIME_COLUMN, TIME_TYPE, nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in PRICE_COLUMNS),
        *(pa.field(name, column.type) for name, column in extra),
    ]
    return pa.table([*columns, *(column for _, column in extra)], schema=pa.schema(fields))


def _int64_ns(source: object, column: pa.ChunkedArray, naive_offset_ns: int | None) -> pa.ChunkedArray:
    if not pa.types.is_timestamp(column.type):
        raise InvalidCandleFile(source, coded("not_timestamps", kind=column.type))
    naive = column.type.tz is None
    if naive and naive_offset_ns is None:
        raise InvalidCandleFile(source, coded("no_time_zone", hint="", closing=""))
    ns = to_ns(source, column)
    ns = ns.cast(pa.int64())
    return pc.subtract(ns, naive_offset_ns) if naive else ns


def to_ns(source: object, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return timestamps or dates as timestamps in ns, in their time zone.

    Raises:
        InvalidCandleFile: Some are outside the range of int64 ns.
    """
    try:
        return column.cast(pa.timestamp("ns", column.type.tz if pa.types.is_timestamp(column.type) else None))
    except pa.ArrowInvalid:
        raise InvalidCandleFile(source, coded("times_out_of_range")) from None


def to_float64(source: object, name: str, column: pa.ChunkedArray, first_row: int = 1) -> pa.ChunkedArray:
    """Return numbers of any type as float64; decimals are rounded, integers that need rounding are rejected.

    Args:
        source: Name of the table in an error message.
        name: Name of the column.
        column: The numbers.
        first_row: Number of its first row in an error message.

    Raises:
        InvalidCandleFile: They are not numbers, or integers above 2^53.
    """
    kind = column.type
    if pa.types.is_float64(kind):
        return column
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InvalidCandleFile(source, coded("not_numbers", name=coded(f"candle_{name}"), kind=kind))
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        row = next(row for row, value in enumerate(column.to_pylist()) if abs(value or 0) > _MAX_EXACT)
        values = {"row": first_row + row, "name": coded(f"candle_{name}"), "value": column[row]}
        raise InvalidCandleFile(source, coded("inexact_number", **values)) from None
