"""Tables of stored results, read in batches.

A result of this platform has its tables in Parquet files next to its document. An older result has none: its tables
are built from its document, with null in the columns that it lacks.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from io import BufferedIOBase
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.indicators import INDICATORS_FILE, read_lines
from coin_pipeline.backtest.portfolio import SHARED
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.backtest.tables import (
    GROUP_ROWS,
    TABLE_NAMES,
    TABLE_SCHEMAS,
    TIME_TYPE,
    TableName,
    Tables,
    content_digest,
)
from coin_pipeline.engine.bars import Floats
from coin_pipeline.errors import ObjectCorrupt, ObjectNotFound, ResultNotFound, TableNotStored
from coin_pipeline.results import legacy
from coin_pipeline.results.store import (
    file_key,
    load_result,
    read_manifest,
    read_task_file,
    result_key,
    stored_document,
)
from coin_pipeline.storage.base import ObjectStore

__all__ = ["BATCH_ROWS", "TABLE_NAMES", "TABLE_SCHEMAS", "ResultTable", "TableName", "open_table", "table_key"]

BATCH_ROWS = GROUP_ROWS
"""Maximum number of rows in a batch."""
_LAST_YEAR, _MAX_INTEGER = 2261, 2**63
"""The last whole year that nanoseconds in 64 bits reach, and the first integer that they do not."""
_UNREADABLE = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises for a damaged file."""


class ResultTable(NamedTuple):
    """An open table of a result.

    Attributes:
        name: Which table it is.
        schema: Its schema, `TABLE_SCHEMAS[name]`, known before the first batch.
        rows: Total number of rows.
        read: Yields rows from an offset on, in batches of at most `BATCH_ROWS`.
        sha256: Digest of the content as recorded in the document; None for results without recorded tables.
        file: The Parquet file with exactly these rows and columns; None if there is none.
    """

    name: TableName
    schema: pa.Schema
    rows: int
    read: Callable[[int], Iterator[pa.RecordBatch]]
    sha256: str | None = None
    file: BufferedIOBase | None = None

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
    return file_key(area, run_id, f"{name}.parquet")


def is_table(key: str) -> bool:
    """Return whether a key in `results/` is that of a table; anything else there is not this platform's to remove.

    >>> is_table("results/r1/signals.parquet"), is_table("results/mine/notes.parquet")
    (True, False)
    """
    _, _, name = key.rpartition("/")
    return name in {INDICATORS_FILE, *(f"{table}.parquet" for table in TABLE_NAMES)}


def remove_unpublished(store: ObjectStore, run_id: str) -> None:
    """Remove the tables of a run in `results/` that has no document."""
    if not store.exists(result_key("results", run_id)):
        for name in TABLE_NAMES:
            store.delete(table_key("results", run_id, name))
        store.delete(file_key("results", run_id, INDICATORS_FILE))


@contextmanager
def open_table(store: ObjectStore, run_id: str, name: TableName, document: Json | None = None) -> Iterator[ResultTable]:
    """Open a table of a finished run; batches can be read until the context ends.

    A table of a result that was stored without tables is built from its document. It has null where the document has
    no value: `traded` in results of the legacy platform, `buy_and_hold` in all. Its equity has the points of the
    document's curves, at most 10,000 per symbol.

    Args:
        store: Object store of the results.
        run_id: The run.
        name: The table.
        document: Document of the run, if it has been loaded: parsing it again takes as long as reading a table.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        TableNotStored: The result has no such rows: it is a sweep, or a legacy result with the number of signals only.
        ObjectCorrupt: The document or the table is missing or does not match its digests.
    """
    document = load_result(store, run_id) if document is None else document
    area = stored_document(store, run_id).shelf
    if name in recorded_tables(document) or (area == "tasks" and name == "equity" and _listed(store, run_id, name)):
        with _open_stored(store, document, area, run_id, name) as table:
            yield table
    else:
        yield _document_table(document, run_id, name)


def read_indicators(store: ObjectStore, run_id: str) -> dict[str, dict[str, Floats]]:
    """Return the lines that the strategy of a finished run plots, by symbol and label; empty if there are none.

    Raises:
        ObjectCorrupt: They are damaged.
    """
    area = stored_document(store, run_id).shelf
    key = file_key(area, run_id, INDICATORS_FILE)
    try:
        data = read_task_file(store, run_id, INDICATORS_FILE) if area == "tasks" else store.get(key)
    except (ObjectNotFound, ResultNotFound):
        return {}
    try:
        return read_lines(pq.read_table(pa.BufferReader(data)))
    except (*_UNREADABLE, KeyError) as error:
        raise ObjectCorrupt(key, f"it is not a table of indicators ({error})") from None


def read_tables(store: ObjectStore, run_id: str) -> Tables:
    """Return all tables of a finished run in memory; one that it does not have is empty."""
    document = load_result(store, run_id)
    return _read_all(lambda name: open_table(store, run_id, name, document))


def document_tables(document: Json) -> Tables:
    """Return the tables of the rows in a document; one that it does not have is empty."""
    return _read_all(lambda name: nullcontext(_document_table(document, "", name)))


def _read_all(open_one: Callable[[TableName], AbstractContextManager[ResultTable]]) -> Tables:
    tables: dict[TableName, pa.Table] = {}
    for name, schema in TABLE_SCHEMAS.items():
        try:
            with open_one(name) as table:
                tables[name] = pa.Table.from_batches(table.batches(), schema)
        except TableNotStored:
            tables[name] = schema.empty_table()
    return tables


def recorded_tables(document: Json) -> dict[TableName, Json]:
    """Return what a document records of its tables, by name; nothing if it was stored without tables."""
    tables = document.get("tables")
    if not isinstance(tables, dict):
        return {}
    return {name: tables[name] for name in TABLE_NAMES if isinstance(tables.get(name), dict)}


def verify_tables(store: ObjectStore, document: Json, area: ResultArea, run_id: str) -> None:
    """Verify every table that a document refers to, row by row.

    Args:
        store: Object store of the results.
        document: The document, verified.
        area: Where the result is stored.
        run_id: The run.

    Raises:
        ObjectCorrupt: A table is missing or does not match the document.
    """
    for name, recorded in recorded_tables(document).items():
        with _open_stored(store, document, area, run_id, name) as table:
            _verify_rows(table_key(area, run_id, name), table, recorded)


@contextmanager
def _open_stored(
    store: ObjectStore, document: Json, area: ResultArea, run_id: str, name: TableName
) -> Iterator[ResultTable]:
    """Open a table that is stored as a file, verified against all digests on record."""
    key, recorded = table_key(area, run_id, name), recorded_tables(document).get(name)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(store.open(key))
        except ObjectNotFound:
            raise ObjectCorrupt(key, "the result refers to it, but it does not exist") from None
        table, stored_sha256 = _file_table(key, file, name), store.info(key).sha256
        if area == "tasks":
            _verify_listed(key, file, stored_sha256, _listed(store, run_id, name))
        if recorded is None:
            yield table
            return
        if table.rows != recorded["rows"]:
            raise ObjectCorrupt(key, f"it has {table.rows:,} rows, but the document has {recorded['rows']:,}")
        if stored_sha256 is None:  # copied here by other means
            _verify_rows(key, table, recorded)
        yield table._replace(sha256=recorded["sha256"], file=file)


def _verify_listed(key: str, file: BufferedIOBase, stored_sha256: str | None, listed: Json | None) -> None:
    """Verify a file against the manifest; its bytes have been verified against `stored_sha256`, if it has one."""
    if listed is None:
        raise ObjectCorrupt(key, "the manifest does not list it")
    file.seek(0)
    if listed["sha256"] != (stored_sha256 or hashlib.file_digest(file, "sha256").hexdigest()):
        raise ObjectCorrupt(key, f"its sha256 is not {listed['sha256']}, which the manifest has")


def _verify_rows(key: str, table: ResultTable, recorded: Json) -> None:
    try:
        digest = content_digest(table.schema, table.batches())
    except _UNREADABLE as error:
        raise ObjectCorrupt(key, f"its rows cannot be read ({error})") from None
    if digest != recorded["sha256"]:
        raise ObjectCorrupt(key, "its rows do not match the digest in the document")


def _listed(store: ObjectStore, task_id: str, name: TableName) -> Json | None:
    """Return the entry of a table in a task's manifest."""
    files = (read_manifest(store, task_id) or {}).get("result_files", ())
    return next((file for file in files if file["name"] == f"{name}.parquet"), None)


def _file_table(key: str, source: BufferedIOBase, name: TableName) -> ResultTable:
    schema = TABLE_SCHEMAS[name]
    try:
        file = pq.ParquetFile(source, pre_buffer=False)  # buffering would read the whole file into memory
    except _UNREADABLE as error:
        raise ObjectCorrupt(key, f"it is not a Parquet file ({error})") from None

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
        lists.insert(0, (SHARED, account.get("performance_curve")))
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
        times = [legacy.parse_time(value) for value in values]
        return pa.array([time if time and time.year <= _LAST_YEAR else None for time in times], kind)
    if pa.types.is_dictionary(kind):
        return pa.array([legacy.clean_text(value) for value in values], pa.string()).dictionary_encode()
    if pa.types.is_boolean(kind):
        return pa.array([value if isinstance(value, bool) else None for value in values], kind)
    if pa.types.is_integer(kind):
        return pa.array([value if type(value) is int and abs(value) < _MAX_INTEGER else None for value in values], kind)
    return pa.array([legacy.finite_number(value) for value in values], kind)
