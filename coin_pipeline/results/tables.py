"""Tables of stored results, read in batches.

A result of this platform has its tables in Parquet files next to its document. An older result has none: its tables
are built from its document, with null in the columns that it lacks.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.portfolio import SHARED
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.backtest.tables import TABLE_NAMES, TABLE_SCHEMAS, TIME_TYPE, TableName, content_digest
from coin_pipeline.errors import ObjectCorrupt, ObjectNotFound, TableNotStored
from coin_pipeline.results import legacy
from coin_pipeline.results.store import (
    check_run_id,
    load_result,
    read_manifest,
    stored_document,
    task_key,
    verify_listed_file,
)
from coin_pipeline.storage.base import ObjectStore

__all__ = ["BATCH_ROWS", "TABLE_NAMES", "TABLE_SCHEMAS", "ResultTable", "TableName", "open_table", "table_key"]

BATCH_ROWS = 65_536
"""Maximum number of rows in a batch, and number of rows in a row group of a file."""


class ResultTable(NamedTuple):
    """An open table of a result.

    Attributes:
        name: Which table it is.
        schema: Its schema, `TABLE_SCHEMAS[name]`, known before the first batch.
        rows: Total number of rows.
        read: Yields rows from an offset on, in batches of at most `BATCH_ROWS`.
        sha256: Digest of the content as recorded in the document; None for results without recorded tables.
    """

    name: TableName
    schema: pa.Schema
    rows: int
    read: Callable[[int], Iterator[pa.RecordBatch]]
    sha256: str | None = None

    def batches(self, offset: int = 0, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """Yield rows in order, at most `BATCH_ROWS` at a time; memory does not grow with the number of rows.

        Args:
            offset: Rows to skip.
            limit: Maximum number of rows; all that follow if None.
        """
        available = max(self.rows - offset, 0)
        left = available if limit is None else min(limit, available)
        batches = self.read(offset)
        while left:
            batch = next(batches).slice(0, left)
            yield batch
            left -= batch.num_rows


def table_key(area: ResultArea, run_id: str, name: TableName) -> str:
    """Return the key of a result's table.

    >>> table_key("results", "r1", "signals"), table_key("tasks", "r1", "equity")
    ('results/r1/signals.parquet', 'tasks/r1/equity.parquet')
    """
    file = f"{name}.parquet"
    return f"results/{check_run_id(run_id)}/{file}" if area == "results" else task_key(run_id, file)


@contextmanager
def open_table(store: ObjectStore, run_id: str, name: TableName) -> Iterator[ResultTable]:
    """Open a table of a finished run; batches can be read until the context ends.

    A table of a result that was stored without tables is built from its document. It has null where the document has
    no value: `traded` in results of the legacy platform, `buy_and_hold` in all. Its equity has the points of the
    document's curves, at most 10,000 per symbol.

    Args:
        store: Object store of the results.
        run_id: The run.
        name: The table.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        TableNotStored: The result has no such rows: it is a sweep, or a legacy result with the number of signals only.
        ObjectCorrupt: The document or the table is missing or does not match its digests.
    """
    document = load_result(store, run_id)
    area = stored_document(store, run_id).shelf
    recorded: Json | None = document.get("tables", {}).get(name)
    if recorded is None and not (area == "tasks" and name == "equity" and _lists(store, run_id, name)):
        yield _document_table(document, run_id, name)
        return
    key = table_key(area, run_id, name)
    file = _open_file(store, key, run_id if area == "tasks" else None)
    if recorded is not None and file.metadata.num_rows != recorded["rows"]:
        reason = f"it has {file.metadata.num_rows:,} rows, but the document has {recorded['rows']:,}"
        raise ObjectCorrupt(key, reason)
    table = _file_table(file, name)
    if recorded is not None and store.info(key).sha256 is None:  # copied here by other means
        verify_table(key, table, recorded)
    yield table


def verify_table(key: str, table: ResultTable, recorded: Json) -> None:
    """Verify the rows of a table against the digest in the document.

    Args:
        key: Key of the table in the error.
        table: The table.
        recorded: Its entry in `tables` of the document.

    Raises:
        ObjectCorrupt: They differ.
    """
    if content_digest(table.schema, table.batches()) != recorded["sha256"]:
        raise ObjectCorrupt(key, "its rows do not match the digest in the document")


def _lists(store: ObjectStore, task_id: str, name: TableName) -> bool:
    manifest = read_manifest(store, task_id) or {}
    return any(file["name"] == f"{name}.parquet" for file in manifest.get("result_files", ()))


def _open_file(store: ObjectStore, key: str, task_id: str | None) -> pq.ParquetFile:
    """Open a Parquet file whose bytes match the digests on record; a task's manifest has one."""
    try:
        data = store.get(key)
    except ObjectNotFound:
        raise ObjectCorrupt(key, "the result refers to it, but it does not exist") from None
    if task_id is not None:
        files = {
            task_key(task_id, file["name"]): file for file in (read_manifest(store, task_id) or {})["result_files"]
        }
        verify_listed_file(key, data, files[key])
    try:
        return pq.ParquetFile(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise ObjectCorrupt(key, f"it is not a Parquet file ({error})") from None


def _file_table(file: pq.ParquetFile, name: TableName) -> ResultTable:
    schema = TABLE_SCHEMAS[name]

    def read(offset: int) -> Iterator[pa.RecordBatch]:
        skipped, group = 0, 0
        while skipped + (rows := file.metadata.row_group(group).num_rows) <= offset:
            skipped, group = skipped + rows, group + 1
        skip = offset - skipped
        groups = range(group, file.num_row_groups)
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=schema.names, use_threads=False):
            if skip < batch.num_rows:
                yield batch.slice(skip).cast(schema)
            skip = max(skip - batch.num_rows, 0)

    return ResultTable(name, schema, file.metadata.num_rows, read)


def _document_table(document: Json, run_id: str, name: TableName) -> ResultTable:
    """Return a table of the rows in a document."""
    lists = _lists_of(document, run_id, name)
    rows = [(symbol, row) for symbol, items in lists for row in items]

    def read(offset: int) -> Iterator[pa.RecordBatch]:
        for start in range(offset, len(rows), BATCH_ROWS):
            yield _to_batch(rows[start : start + BATCH_ROWS], TABLE_SCHEMAS[name])

    return ResultTable(name, TABLE_SCHEMAS[name], len(rows), read)


def _lists_of(document: Json, run_id: str, name: TableName) -> list[tuple[str, list[Json]]]:
    parts = legacy.parts_of(document)
    key = "performance_curve" if name == "equity" else name
    lists = [(legacy.clean_text(part["symbol"]) or "", part.get(key)) for part in parts]
    if name == "equity" and isinstance(account := document.get("account"), dict):
        lists.insert(0, (SHARED, account["performance_curve"]))
    if name == "equity" and any(isinstance(items, list) for _, items in lists):
        lists = [(symbol, items or []) for symbol, items in lists]
    if not lists or not all(isinstance(items, list) for _, items in lists):
        only = any(isinstance(items, int) for _, items in lists)
        raise TableNotStored(run_id, name, f"it has only the number of its {name}" if only else f"it has no {name}")
    return [(symbol, [item for item in items if isinstance(item, dict)]) for symbol, items in lists]  # type: ignore[union-attr]


def _to_batch(rows: Sequence[tuple[str, Json]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        _column([row.get(field.name) for _, row in rows], field.type) for field in schema if field.name != "symbol"
    ]
    symbols = pa.array([symbol for symbol, _ in rows], pa.string()).dictionary_encode()
    return pa.record_batch([symbols, *columns], schema=schema)


def _column(values: list[object], kind: pa.DataType) -> pa.Array:
    """Return values of a legacy document as a column, with null for anything of another type."""
    if kind == TIME_TYPE:
        return pa.array([legacy.parse_time(value) for value in values], kind)
    if pa.types.is_dictionary(kind):
        return pa.array([legacy.clean_text(value) for value in values], pa.string()).dictionary_encode()
    if pa.types.is_boolean(kind):
        return pa.array([value if isinstance(value, bool) else None for value in values], kind)
    return pa.array([legacy.finite_number(value) for value in values], pa.float64()).cast(kind)
