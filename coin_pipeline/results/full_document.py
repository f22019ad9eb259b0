"""The document of a result with every signal and trade, streamed in constant memory."""

import json
import re
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.tables import TableName
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.results.store import parse_document, read_result
from coin_pipeline.results.table_formats import Batches, json_items
from coin_pipeline.results.tables import open_table, recorded_tables
from coin_pipeline.storage.base import ObjectStore

LISTS: tuple[TableName, ...] = ("signals", "trades")
"""Tables whose rows are also in the document."""


@contextmanager
def open_full_document(store: ObjectStore, run_id: str) -> Iterator[Generator[bytes]]:
    """Open the document of a finished run with all its signals and trades; chunks can be read until the context ends.

    It is the stored document, byte for byte, unless that has only the first and last rows. Otherwise keys and numbers
    are those of the stored document, `tables` counts the rows that are now in it, and `result_sha256` remains the
    digest of the stored document.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        ObjectCorrupt: The document or a table is missing or does not match its digests.
    """
    stored = read_result(store, run_id)
    document = parse_document(run_id, stored)
    shortened = [entry for name, entry in recorded_tables(document).items() if name in LISTS]
    if all(entry["in_document"] == entry["rows"] for entry in shortened):
        yield (chunk for chunk in (stored,))
        return
    with ExitStack() as stack:
        tables = {name: stack.enter_context(open_table(store, run_id, name, document)) for name in LISTS}
        yield _spliced(document, {name: _SymbolRows(table.batches()) for name, table in tables.items()})


def _spliced(document: Json, rows: Mapping[TableName, "_SymbolRows"]) -> Generator[bytes]:
    """Yield a document with the rows of its symbols in place of the lists that it has."""
    marker = uuid.uuid4().hex
    symbols = [
        {**part, **{name: f"{marker}{position}:{index}" for index, name in enumerate(LISTS)}}
        for position, part in enumerate(document["symbols"])
    ]
    tables = {
        name: {**entry, "in_document": entry["rows"]} if name in LISTS else entry
        for name, entry in document["tables"].items()
    }
    text = json.dumps({**document, "symbols": symbols, "tables": tables}, ensure_ascii=False, separators=(",", ":"))
    head, *pieces = re.split(rf'"{marker}([0-9]+):([0-9])"', text)
    yield head.encode()
    for position, index, following in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        name = LISTS[int(index)]
        yield b"["
        yield from json_items(name, rows[name].of(document["symbols"][int(position)]["symbol"]))
        yield b"]" + following.encode()
    if not all(table.is_exhausted for table in rows.values()):
        raise ObjectCorrupt(document["run_id"], "its tables have rows of symbols that the document does not have")


class _SymbolRows:
    """Rows of a table, symbol by symbol in the order of the table, in which the rows of a symbol are contiguous."""

    def __init__(self, batches: Batches) -> None:
        self._groups = groupby(_runs(batches), itemgetter(0))
        self._next = next(self._groups, None)

    def of(self, symbol: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the next symbol if it is this one."""
        if self._next is not None and self._next[0] == symbol:
            yield from (rows for _, rows in self._next[1])
            self._next = next(self._groups, None)

    @property
    def is_exhausted(self) -> bool:
        """Whether all rows have been read."""
        return self._next is None


def _runs(batches: Batches) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield batches of one symbol each, with its name."""
    for batch in batches:
        codes, names = batch["symbol"].indices.to_numpy(), batch["symbol"].dictionary
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(batch)]
        for start, end in pairwise(edges):
            yield names[int(codes[start])].as_py(), batch.slice(start, end - start)
