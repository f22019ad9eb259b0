"""The document of a result with every signal and trade."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.tables import TableName
from coin_pipeline.errors import ObjectCorrupt, ResultNotFound
from coin_pipeline.results.full_document import open_full_document
from coin_pipeline.results.store import read_result
from coin_pipeline.results.tables import BATCH_ROWS
from coin_pipeline.storage.local import LocalStore
from tests.result_tables import publish_tables, sample_tables, signals_table, to_items, trades_table


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


def full(store: LocalStore, run_id: str = "t") -> bytes:
    """Return the full document."""
    with open_full_document(store, run_id) as chunks:
        return b"".join(chunks)


def complete(document: Json, tables: dict[TableName, pa.Table]) -> Json:
    """Return a document with every row, as the full one must be."""
    items = {name: to_items(tables[name], name) for name in ("signals", "trades")}
    symbols = [
        {**part, **{name: [row for row in rows if row["symbol"] == part["symbol"]] for name, rows in items.items()}}
        for part in document["symbols"]
    ]
    counted = {name: {**document["tables"][name], "in_document": len(rows)} for name, rows in items.items()}
    return {**document, "symbols": symbols, "tables": {**document["tables"], **counted}}


@pytest.mark.parametrize("rows", [3, 100])
def test_every_row_replaces_the_first_and_last_ones(store: LocalStore, rows: int) -> None:
    """Keys, their order and all other values are those of the document; a symbol may have no rows."""
    tables = sample_tables(rows)
    expected = complete(publish_tables(store, "t", tables), tables)
    read = json.loads(full(store))
    assert read == expected
    assert json.dumps(read) == json.dumps(expected)  # the order of keys, and 1.0 as opposed to 1


def test_lists_of_different_lengths_belong_to_their_symbols(store: LocalStore) -> None:
    """One list may be shortened and the other not."""
    tables = {**sample_tables(50), "trades": trades_table(2), "signals": signals_table(0)}
    expected = complete(publish_tables(store, "t", tables), tables)
    assert json.loads(full(store)) == expected


def test_a_document_with_all_rows_is_sent_as_stored(store: LocalStore) -> None:
    """Byte for byte, as are documents without tables."""
    publish_tables(store, "t", sample_tables(3), keep=2)
    store.put("results/old.json", b'{ "symbols": [] }\n')
    for run_id in ("t", "old"):
        assert full(store, run_id) == read_result(store, run_id)


def test_a_symbol_may_extend_over_several_batches(store: LocalStore) -> None:
    """Tables are read in batches, whose edges are not those of symbols."""
    table = signals_table(BATCH_ROWS + 1000)
    publish_tables(store, "t", {"signals": table, "trades": trades_table(1)})
    lists = [part["signals"] for part in json.loads(full(store))["symbols"]]
    assert [len(rows) for rows in lists] == [len(table) // 2, 0, len(table) // 2]
    assert [row["exit_price"] for rows in lists for row in rows] == table["exit_price"].to_pylist()


def test_rows_that_belong_to_no_symbol_are_corruption(store: LocalStore) -> None:
    """They would be missing without a word."""
    tables = sample_tables(10)
    rows = tables["signals"].take(list(range(9, -1, -1)))  # the second symbol first
    publish_tables(store, "t", {**tables, "signals": rows})
    with pytest.raises(ObjectCorrupt, match="symbols that the document does not have"):
        full(store)


def test_an_unknown_result_is_not_found(store: LocalStore) -> None:
    """As by the bounded document."""
    with pytest.raises(ResultNotFound):
        full(store, "absent")
