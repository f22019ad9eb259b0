"""Tables of a result: every signal, every trade and the equity per bar, as Arrow tables of fixed schemas.

The rows of a symbol are contiguous, and symbols are in the order of the spec.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.backtest.json_text import Rows
from coin_pipeline.storage.mapped import release_pages
from coin_pipeline.storage.spooled import Content, spool

TableName = Literal["signals", "trades", "equity"]
TABLE_NAMES: tuple[TableName, ...] = get_args(TableName)
Tables: TypeAlias = Mapping[TableName, pa.Table]
ResultT = TypeVar("ResultT")
GROUP_ROWS = 65_536
"""Rows in a row group of a stored table, the unit in which it is read."""
_BLOCK_ROWS = 4 * GROUP_ROWS

TIME_TYPE = pa.timestamp("ns", tz="UTC")
TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())
"""Texts of few distinct values."""

TABLE_SCHEMAS: Mapping[TableName, pa.Schema] = {
    "signals": pa.schema(
        {
            "symbol": TEXT_TYPE,
            "timestamp": TIME_TYPE,
            "entry_price": pa.float64(),
            "exit_price": pa.float64(),
            "return_pct": pa.float64(),
            "traded": pa.bool_(),
        }
    ),
    "trades": pa.schema(
        {
            "symbol": TEXT_TYPE,
            "entry_time": TIME_TYPE,
            "exit_time": TIME_TYPE,
            "entry_price": pa.float64(),
            "exit_price": pa.float64(),
            "return_pct": pa.float64(),
            "bars_held": pa.int64(),
            "exit_reason": TEXT_TYPE,
            "open_at_end": pa.bool_(),
            "spent": pa.float64(),
        }
    ),
    "equity": pa.schema(
        {
            "symbol": TEXT_TYPE,
            "timestamp": TIME_TYPE,
            "equity": pa.float64(),
            "drawdown": pa.float64(),
            "buy_and_hold": pa.float64(),
        }
    ),
}
"""Schema of each table. Every column may be null: results of the legacy platform lack some."""

_ENCODINGS = {pa.float64(): "BYTE_STREAM_SPLIT", pa.int64(): "DELTA_BINARY_PACKED", TIME_TYPE: "DELTA_BINARY_PACKED"}
"""Parquet encodings of numbers, which rarely repeat: smaller and faster than dictionaries."""


def stack(name: TableName, blocks: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """Return one table of several symbols' rows, with their names as the first column.

    Args:
        name: The table.
        blocks: Each symbol and its rows, with at least the other columns of the table.
    """
    codes = np.repeat(np.arange(len(blocks), dtype=np.int32), [len(rows) for _, rows in blocks])
    symbols = pa.DictionaryArray.from_arrays(codes, pa.array([symbol for symbol, _ in blocks], pa.string()))
    schema = TABLE_SCHEMAS[name]
    rows = pa.concat_tables([rows.select(schema.names[1:]) for _, rows in blocks])
    return pa.table([symbols, *rows.columns], schema=schema)


def unstack(table: pa.Table) -> list[tuple[str, pa.Table]]:
    """Return each symbol's rows of a table, in its order; a symbol may have none."""
    column = table["symbol"].unify_dictionaries()
    symbols = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies even a single one
    codes = np.arange(len(symbols.dictionary) + 1, dtype=np.int32)  # of another type, all rows would be converted
    starts = np.searchsorted(symbols.indices.to_numpy(), codes)
    names = symbols.dictionary.to_pylist()
    return [(name, table.slice(a, b - a)) for name, a, b in zip(names, starts, starts[1:], strict=False)]


def trade_profits(trades: pa.Table | pa.RecordBatch) -> pa.Array | pa.ChunkedArray:
    """Return the gain or loss of each trade in the quote currency; null if the money spent is unknown."""
    return pc.multiply(trades["return_pct"], trades["spent"])


def to_rows(table: pa.Table, **constants: str) -> Rows:
    """Return rows as JSON objects, with times as ISO 8601 to the second; `constants` follow the first column."""
    zeros = pa.array(np.zeros(len(table), np.int32))
    for position, (name, text) in enumerate(constants.items(), 1):
        table = table.add_column(position, name, pa.DictionaryArray.from_arrays(zeros, [text]))
    return Rows(table)


def to_parquet(table: pa.Table) -> Content:
    """Encode a table as a Parquet file.

    Raises:
        StorageFailed: It is large, and a temporary file cannot be written.
    """
    encodings = {field.name: _ENCODINGS[field.type] for field in table.schema if field.type in _ENCODINGS}

    def write(sink: BinaryIO) -> None:
        with pq.ParquetWriter(
            sink,
            table.schema,
            compression="zstd",
            use_dictionary=[column for column in table.column_names if column not in encodings],
            column_encoding=encodings,
        ) as file:
            for block in _blocks(table):
                file.write_table(block, GROUP_ROWS)

    return spool(write, table.nbytes, "a table")


def encode_tables(tables: Tables) -> dict[str, Content]:
    """Encode tables as Parquet files, by file name; one after another, as the encoder of each needs memory.

    Raises:
        StorageFailed: A table is large, and a temporary file cannot be written.
    """
    return {f"{name}.parquet": to_parquet(table) for name, table in tables.items()}


def table_digests(tables: Tables) -> dict[TableName, str]:
    """Return the SHA-256 of the content of each table; see `content_digest`."""
    return _of_each(_digest, tables)


def _of_each(function: Callable[[pa.Table], ResultT], tables: Tables) -> dict[TableName, ResultT]:
    with ThreadPoolExecutor(len(tables) or 1) as pool:
        return dict(zip(tables, pool.map(function, tables.values()), strict=True))


def _digest(table: pa.Table) -> str:
    return content_digest(table.schema, (batch for block in _blocks(table) for batch in block.to_batches(GROUP_ROWS)))


def _blocks(table: pa.Table) -> Iterator[pa.Table]:
    """Yield a table in blocks of row groups, at least one, and give back the memory of mapped files after each."""
    for start in range(0, max(len(table), 1), _BLOCK_ROWS):
        yield table.slice(start, _BLOCK_ROWS)
        release_pages()


def content_digest(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """Return the SHA-256 of a table's content, independent of how it is encoded, compressed and split into batches.

    It is the digest of the column names and of the digest of each column: little-endian values in the order of the
    rows, preceded by a byte per row that is 1 for a null. A text is represented by the number of distinct texts before
    its first occurrence, and the distinct texts follow as JSON.

    Args:
        schema: Names and types of the columns.
        batches: The rows.
    """
    columns = [_ColumnDigest(field.type) for field in schema]
    for batch in batches:
        for column, array in zip(columns, batch.columns, strict=True):
            column.update(array)
    named = [[field.name, column.hexdigest()] for field, column in zip(schema, columns, strict=True)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


class _ColumnDigest:
    """Digest of one column, updated batch by batch."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._nulls, self._values = hashlib.sha256(), hashlib.sha256()
        self._texts: dict[str, int] = {}

    def update(self, array: pa.Array) -> None:
        if array.null_count:
            self._nulls.update(array.is_null().cast(pa.uint8()).to_numpy(zero_copy_only=False))
        else:
            self._nulls.update(bytes(len(array)))
        self._values.update(np.ascontiguousarray(self._numbers(array)).data)

    def hexdigest(self) -> str:
        texts = json.dumps(list(self._texts)).encode()
        return hashlib.sha256(self._nulls.digest() + self._values.digest() + texts).hexdigest()

    def _numbers(self, array: pa.Array) -> npt.NDArray[Any]:
        if pa.types.is_dictionary(self._kind):
            return self._codes(array)
        if pa.types.is_timestamp(self._kind):
            array = array.cast(pa.int64())
        if pa.types.is_boolean(self._kind):
            array = array.cast(pa.uint8())
        known = pc.fill_null(array, 0) if array.null_count else array
        numbers: npt.NDArray[Any] = known.to_numpy(zero_copy_only=False)
        return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)

    def _codes(self, array: pa.Array) -> npt.NDArray[Any]:
        """Return the code of each text, numbered by first occurrence over all batches."""
        indices = pc.fill_null(array.indices, -1).to_numpy()
        is_constant = (indices == indices[:1]).all()  # as the symbol within most batches; sorting takes longer
        present, first = np.unique(indices[:1] if is_constant else indices, return_index=True)
        codes = np.full(len(array.dictionary) + 1, -1, "<i4")  # the last one is that of null
        for index in present[np.argsort(first)]:
            if index >= 0:
                codes[index] = self._texts.setdefault(array.dictionary[int(index)].as_py(), len(self._texts))
        numbered: npt.NDArray[Any] = codes[indices]
        return numbered
