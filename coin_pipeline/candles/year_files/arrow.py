"""Candles as Arrow tables of any origin, brought to one plain form: which columns they need and of which types."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles

TIME_COLUMN = "timestamp"
PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
INSTANT = pa.timestamp("ns", "UTC")
NO_CANDLES = pa.schema([(TIME_COLUMN, pa.int64()), *((name, pa.float64()) for name in PRICE_COLUMNS)]).empty_table()


def index_column(schema: pa.Schema) -> str | None:
    """Return the column in which pandas stored a one-column index, if it did."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return index[0] if len(index) == 1 and isinstance(index[0], str) else None


def normalize_table(
    source: object, table: pa.Table, time: str = TIME_COLUMN, naive_offset_ns: int | None = None, first_row: int = 0
) -> pa.Table:
    """Return the candles of a table, in its order and unchecked, as timestamp (int64 ns UTC) and float64 columns.

    Args:
        source: Name of the table in an error.
        table: Has the column `time`, a timestamp of any unit, and numeric prices and volume.
        time: The column with the opens.
        naive_offset_ns: How far stamps without a zone are ahead of UTC, in ns; None refuses such stamps.
        first_row: Rows before those of the table, for the row number in an error.

    Raises:
        InvalidCandleFile: A column is missing or of another type, or stamps lack a zone.
        InvalidCandles: A row has no time.
    """
    missing = [name for name in (time, *PRICE_COLUMNS) if name not in table.column_names]
    if missing:
        raise InvalidCandleFile(
            source, f"has no column {', '.join(missing)}; it needs {', '.join((TIME_COLUMN, *PRICE_COLUMNS))}"
        )
    stamps = table[time]
    if stamps.null_count:
        row = first_row + pc.index(stamps.is_null(), value=True).as_py() + 1
        raise InvalidCandles(source, stamps.null_count, f"row {row} has no time")
    opens = _int64_ns(source, stamps, naive_offset_ns)
    return pa.table(
        [opens, *(_float64(source, name, table[name]) for name in PRICE_COLUMNS)], names=[TIME_COLUMN, *PRICE_COLUMNS]
    )


def to_ohlcv(plain: pa.Table) -> OHLCV:
    """Return the columns of a plain table as read-only arrays."""
    # One after another in Arrow's memory, which stays warm, costs half of what ChunkedArray.to_numpy does.
    return OHLCV(*(column.to_numpy() for column in plain.combine_chunks().columns))


def copy_into(plain: pa.Table, columns: OHLCV) -> None:
    """Copy the rows of a plain table into columns of as many rows."""
    for target, column in zip(columns, plain.columns, strict=True):
        start = 0
        for chunk in column.chunks:
            target[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)  # a null is NaN
            start += len(chunk)


def to_frame(columns: OHLCV) -> pd.DataFrame:
    """Return columns as a frame: timestamp (ns, UTC), open, high, low, close, volume."""
    time = pd.DatetimeIndex(columns.time.view("datetime64[ns]"), tz="UTC")
    return pd.DataFrame({TIME_COLUMN: time, **dict(zip(PRICE_COLUMNS, columns[1:], strict=True))})


def to_table(columns: OHLCV, others: Sequence[tuple[str, pa.ChunkedArray]] = ()) -> pa.Table:
    """Return columns, and others behind them, as the table that is stored."""
    candles = [pa.array(columns.time).cast(INSTANT), *map(pa.array, columns[1:])]
    # What no row may lack need not be looked for in each: a file without such marks is read faster.
    fields = [
        pa.field(TIME_COLUMN, INSTANT, nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in PRICE_COLUMNS),
    ]
    further = [pa.field(name, column.type) for name, column in others]
    return pa.table([*candles, *(column for _, column in others)], schema=pa.schema([*fields, *further]))


def _int64_ns(source: object, column: pa.ChunkedArray, naive_offset_ns: int | None) -> pa.ChunkedArray:
    if not pa.types.is_timestamp(column.type):
        raise InvalidCandleFile(source, f"its times are of type {column.type}; store timestamps")
    naive = column.type.tz is None
    if naive and naive_offset_ns is None:
        raise InvalidCandleFile(source, "its times have no zone; pass --tz UTC or --tz Asia/Seoul")
    ns = column if column.type.unit == "ns" else column.cast(pa.timestamp("ns", column.type.tz))
    ns = ns.cast(pa.int64())
    return pc.subtract(ns, naive_offset_ns) if naive else ns


def _float64(source: object, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InvalidCandleFile(source, f"its column {name} is of type {kind}; store numbers")
    return column if pa.types.is_float64(kind) else column.cast(pa.float64())
