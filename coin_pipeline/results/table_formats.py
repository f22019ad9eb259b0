"""Tables of results as Parquet, Arrow, CSV and JSON, encoded batch by batch in constant memory.

The API and `coin results export` share these encoders, so that both produce the same bytes.
"""

import io
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from coin_pipeline.backtest.json_text import encode_column
from coin_pipeline.backtest.tables import TABLE_SCHEMAS, trade_profits
from coin_pipeline.candles.timeframe import format_times, format_times_in
from coin_pipeline.results.tables import ResultTable, TableName

if TYPE_CHECKING:
    from typing_extensions import Buffer

Batches: TypeAlias = Iterable[pa.RecordBatch]
Encode: TypeAlias = Callable[[ResultTable], Generator[bytes]]
FormatName: TypeAlias = Literal["json", "csv", "parquet", "arrow"]

ITEM_CONSTANTS: Mapping[str, Mapping[str, str]] = MappingProxyType({"signals": {"type": "buy"}})
"""Members that JSON items have in addition to the columns, as in the document."""
CHUNK_ROWS = 4096
"""Most rows of text per chunk, about 0.7 MB of JSON."""
CHUNK_BYTES = 2**20
"""Bytes per chunk of a stored file."""
_FORMULA = r"^[=+\-@\t\r]"
_CSV = csv.WriteOptions(quoting_style="needed")


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A file format of tables.

    Attributes:
        media_type: Content-Type of a file.
        suffix: Suffix of a file, with the dot.
        encode: Yields the chunks of a file with all rows of a table.
    """

    media_type: str
    suffix: str
    encode: Encode


def encode_parquet(table: ResultTable) -> Generator[bytes]:
    """Yield a Parquet file: the stored one if there is one, else a file with one row group per batch."""
    if table.file is not None:
        table.file.seek(0)
        yield from iter(partial(table.file.read, CHUNK_BYTES), b"")
        return
    sink = _Chunks()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in table.batches():
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def encode_arrow(table: ResultTable) -> Generator[bytes]:
    """Yield an Arrow IPC stream."""
    return arrow_chunks(table.schema, table.batches())


def arrow_chunks(schema: pa.Schema, batches: Batches) -> Generator[bytes]:
    """Yield an Arrow IPC stream of batches with this schema."""
    sink = _Chunks()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def csv_schema(name: TableName) -> pa.Schema:
    """Return the columns of a table as a CSV file: those of the table, then the profit of a trade.

    The profit follows from two other columns, so that the formats for programs omit it.
    """
    schema = TABLE_SCHEMAS[name]
    return schema.append(pa.field("profit", pa.float64())) if name == "trades" else schema


def encode_csv(table: ResultTable, zone: str | None = None) -> Generator[bytes]:
    """Yield a CSV file in UTF-8 with a header; null is an empty field.

    A text that a spreadsheet would run as a formula is prefixed with an apostrophe. Symbols of this platform are
    validated and never are; those of legacy documents can be any text.

    Args:
        table: The rows.
        zone: Time zone of the times, an IANA name; they are ISO 8601 with the offset from UTC, or with Z if it is None.
    """
    sink = _Chunks()
    columns = csv_schema(table.name)
    kinds = [field.type if _is_plain(field.type) else pa.string() for field in columns]
    schema = pa.schema(zip(columns.names, kinds, strict=True))
    with csv.CSVWriter(sink, schema, write_options=_CSV) as writer:
        for batch in _sliced(table.batches()):
            values = [*batch.columns, trade_profits(batch)] if table.name == "trades" else batch.columns
            writer.write_batch(pa.record_batch([_csv_column(column, zone) for column in values], schema))
            yield sink.take()
    yield sink.take()


def encode_json(table: ResultTable) -> Generator[bytes]:
    """Yield a JSON array of one object per row, with the keys and formats of the document."""
    yield b"["
    yield from json_items(table.name, table.batches())
    yield b"]\n"


def json_items(name: TableName, batches: Batches) -> Iterator[bytes]:
    """Yield rows of a table as JSON objects with commas between them.

    Numbers read back as the same floats, times are ISO 8601 with Z, and null stands for NaN.
    """
    constants = ITEM_CONSTANTS.get(name, {})
    extra = "".join(f"{json.dumps(key)}:{json.dumps(value)}," for key, value in constants.items())
    separator = b""
    for batch in _sliced(batches):
        pieces: list[pa.Array | str] = ["{"]
        for position, (key, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
            pieces += [f"{',' if position > 1 else ''}{json.dumps(key)}:", _json_column(column)]
            pieces += [f",{extra}"] if position == 0 else []
        rows = pc.binary_join_element_wise(*pieces, "}", "")
        yield (
            separator + pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), ",")[0].as_buffer().to_pybytes()
        )
        separator = b","


FORMATS: Mapping[FormatName, TableFormat] = MappingProxyType(
    {
        "json": TableFormat("application/json", ".json", encode_json),
        "csv": TableFormat("text/csv", ".csv", encode_csv),
        "parquet": TableFormat("application/vnd.apache.parquet", ".parquet", encode_parquet),
        "arrow": TableFormat("application/vnd.apache.arrow.stream", ".arrows", encode_arrow),
    }
)
"""File formats by name; the first is the default of the API."""


def _sliced(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Yield batches of 1 to CHUNK_ROWS rows."""
    for batch in batches:
        for start in range(0, len(batch), CHUNK_ROWS):
            yield batch.slice(start, CHUNK_ROWS)


def _is_plain(kind: pa.DataType) -> bool:
    """Return whether values are numbers or booleans, as opposed to texts and times."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _iso_times(column: pa.Array, zone: str | None = None) -> pa.Array:
    """Return instants as ISO 8601 texts, with Z or with the offset of a time zone."""
    ns = column.cast(pa.int64()).fill_null(0).to_numpy()
    texts = format_times(ns) if zone is None else format_times_in(ns, zone)
    return pa.array(texts, pa.string(), mask=column.is_null().to_numpy(zero_copy_only=False))


def _csv_column(column: pa.Array, zone: str | None) -> pa.Array:
    if _is_plain(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        return _iso_times(column, zone)
    texts = column.cast(pa.string())
    return pc.if_else(pc.match_substring_regex(texts, _FORMULA), pc.binary_join_element_wise("'", texts, ""), texts)


def _json_column(column: pa.Array) -> pa.Array:
    """Return values as JSON texts; null stands for NaN too."""
    if pa.types.is_timestamp(column.type):
        return pc.binary_join_element_wise('"', _iso_times(column), '"', "").fill_null("null")
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return encode_column(column)


class _Chunks(io.RawIOBase):
    """Collects written bytes until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, chunk: "Buffer") -> int:
        """Append bytes."""
        self._chunks.append(bytes(chunk))
        return len(self._chunks[-1])

    def take(self) -> bytes:
        """Return the collected bytes and clear the buffer."""
        data, self._chunks = b"".join(self._chunks), []
        return data
