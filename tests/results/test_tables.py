"""Tables of stored results, read in batches."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest.tables import TABLE_SCHEMAS, content_digest
from coin_pipeline.errors import ObjectCorrupt, TableNotStored
from coin_pipeline.results.publish import publish_task
from coin_pipeline.results.store import to_bytes
from coin_pipeline.results.tables import BATCH_ROWS, open_table, table_key
from coin_pipeline.storage.local import LocalStore

SIGNAL = {"symbol": "BTC_KRW", "type": "buy", "entry_price": 1.0, "exit_price": 2.0, "return_pct": 0.5}
POINT = {"timestamp": "2024-01-01T00:00:00Z", "equity": 1.0, "drawdown": None}
ROWS = 2 * BATCH_ROWS + 7


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


def signals(rows: int = ROWS) -> pa.Table:
    """Signals of two symbols."""
    number = np.arange(rows)
    names = pa.DictionaryArray.from_arrays(pa.array(number >= rows // 2).cast(pa.int32()), ["XRP_KRW", "BTC_KRW"])
    stamps = pa.array(number * 60_000_000_000).cast(TABLE_SCHEMAS["signals"].field("timestamp").type)
    prices = pa.array(number.astype(np.float64))
    return pa.table([names, stamps, prices, prices, prices, pa.array(number % 2 == 0)], schema=TABLE_SCHEMAS["signals"])


def parquet(table: pa.Table, group: int = BATCH_ROWS) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=group)
    return buffer.getvalue()


def digest(table: pa.Table) -> str:
    """The content digest of a table."""
    return content_digest(table.schema, table.to_batches())


def publish(store: LocalStore, table: pa.Table, data: bytes | None = None) -> None:
    """Store a task with signals."""
    entry = {"rows": len(table), "sha256": digest(table)}
    document = to_bytes({"run_id": "t", "tables": {"signals": entry}})
    files = {"signals.parquet": parquet(table) if data is None else data, "result.json": document}
    publish_task(store, {"task_id": "t", "status": "completed"}, files)


@pytest.mark.parametrize("offset", [0, 1, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS + 3, ROWS, ROWS + 9])
@pytest.mark.parametrize("limit", [0, 1, BATCH_ROWS + 1, None])
def test_any_rows_of_a_table_are_read_in_batches(store: LocalStore, offset: int, limit: int | None) -> None:
    """A batch has the announced schema and at most BATCH_ROWS rows; together they are the rows that were requested."""
    table = signals()
    publish(store, table)
    with open_table(store, "t", "signals") as opened:
        assert (opened.rows, opened.schema) == (ROWS, TABLE_SCHEMAS["signals"])
        batches = list(opened.batches(offset, limit))
    assert all(0 < batch.num_rows <= BATCH_ROWS for batch in batches)
    read = pa.Table.from_batches(batches, opened.schema)
    assert digest(read) == digest(table.slice(offset, limit))


def test_a_table_without_rows_has_no_batches(store: LocalStore) -> None:
    """An empty table has its schema."""
    publish(store, signals(0))
    with open_table(store, "t", "signals") as opened:
        assert (opened.rows, list(opened.batches())) == (0, [])


def test_a_missing_table_is_corruption(store: LocalStore) -> None:
    """A document names the tables that were stored with it."""
    publish(store, signals(3))
    store.delete("tasks/t/signals.parquet")
    with pytest.raises(ObjectCorrupt, match="does not exist"), open_table(store, "t", "signals"):
        pass


@pytest.mark.parametrize("changed", [signals(2), signals(3).slice(0, 2), pa.table({"a": [1, 2, 3]})])
def test_a_replaced_table_is_corruption(store: LocalStore, changed: pa.Table) -> None:
    """The manifest has the digest of the file."""
    publish(store, signals(3))
    store.put("tasks/t/signals.parquet", parquet(changed), overwrite=True)
    with pytest.raises(ObjectCorrupt), open_table(store, "t", "signals"):
        pass


def test_a_file_that_is_not_parquet_is_corruption(store: LocalStore) -> None:
    """The error is one of the family."""
    publish(store, signals(3), b"PAR1")
    with pytest.raises(ObjectCorrupt, match="not a Parquet file"), open_table(store, "t", "signals"):
        pass


def test_a_table_copied_by_other_means_is_verified_by_its_rows(store: LocalStore, tmp_path: Path) -> None:
    """Without a stored digest of the file, the digest of the content in the document counts."""
    table = signals(3)
    document = {"run_id": "r", "tables": {"signals": {"rows": 3, "sha256": digest(table)}}}
    store.put("results/r.json", to_bytes(document))
    (tmp_path / "results/r").mkdir()
    path = tmp_path / table_key("results", "r", "signals")
    path.write_bytes(parquet(table))
    with open_table(store, "r", "signals") as opened:
        assert sum(batch.num_rows for batch in opened.batches()) == 3
    rows = table.to_pylist()
    rows[1]["exit_price"] += 1e-9
    path.write_bytes(parquet(pa.Table.from_pylist(rows, table.schema)))
    with pytest.raises(ObjectCorrupt, match="rows do not match"), open_table(store, "r", "signals"):
        pass


def test_any_damage_to_a_table_copied_by_other_means_is_corruption(store: LocalStore, tmp_path: Path) -> None:
    """Without a stored digest of the file, damage shows while it is read; the error is one of the family."""
    table, intact = signals(1000), parquet(signals(1000))
    document = {"run_id": "r", "tables": {"signals": {"rows": 1000, "sha256": digest(table)}}}
    store.put("results/r.json", to_bytes(document))
    (tmp_path / "results/r").mkdir()
    found = 0
    for position in range(0, len(intact), len(intact) // 100):
        damaged = intact[:position] + bytes([intact[position] ^ 0xFF]) + intact[position + 1 :]
        (tmp_path / table_key("results", "r", "signals")).write_bytes(damaged)
        try:
            with open_table(store, "r", "signals") as opened:  # a byte that no reader needs may be damaged
                assert digest(pa.Table.from_batches(opened.batches(), opened.schema)) == digest(table)
        except ObjectCorrupt:
            found += 1
    assert found > 50


def test_the_content_digest_depends_on_nothing_but_the_rows() -> None:
    """Row groups, batches and the order of a dictionary do not matter; any changed value does."""
    table = signals(1000)
    recoded = pa.table(
        [table["symbol"].cast(pa.string()).combine_chunks().dictionary_encode(), *table.columns[1:]],
        schema=table.schema,
    )
    read = pq.read_table(pa.BufferReader(parquet(table, 17))).cast(table.schema)
    assert digest(table) == digest(recoded) == digest(read) == content_digest(table.schema, table.to_batches(3))
    for name in table.column_names:
        rows = table.to_pylist()
        rows[-1][name] = None
        assert digest(pa.Table.from_pylist(rows, table.schema)) != digest(table)


def test_a_result_without_tables_has_those_of_its_document(store: LocalStore) -> None:
    """What a legacy document lacks is null; times ending in an offset and Z are read."""
    late = {"symbol": "BTC_KRW", "signals": [{**SIGNAL, "timestamp": "2024-01-01T09:00:00+00:00Z"}]}
    store.put("results/late.json", json.dumps({"run_id": "late", "symbols": [late]}).encode())
    with open_table(store, "late", "signals") as opened:
        (row,) = pa.Table.from_batches(opened.batches(), opened.schema).to_pylist()
    assert row.pop("timestamp").to_pydatetime() == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert row == {"symbol": "BTC_KRW", "entry_price": 1.0, "exit_price": 2.0, "return_pct": 0.5, "traded": None}


def test_the_equity_of_a_result_without_tables_is_that_of_its_curves(store: LocalStore) -> None:
    """A shared account comes first, as a symbol of its own; buy and hold is unknown."""
    part = {"symbol": "BTC_KRW", "signals": [], "performance_curve": [POINT]}
    document = {"run_id": "r", "symbols": [part], "account": {"performance_curve": [POINT, POINT]}}
    store.put("results/r.json", json.dumps(document).encode())
    with open_table(store, "r", "equity") as opened:
        rows = pa.Table.from_batches(opened.batches(), opened.schema).to_pylist()
    assert [row["symbol"] for row in rows] == ["shared account"] * 2 + ["BTC_KRW"]
    assert {row["buy_and_hold"] for row in rows} == {None}


def test_the_equity_of_an_older_task_is_its_file(store: LocalStore) -> None:
    """Tasks had an equity table before they had the others."""
    stamp = pa.array([0], pa.timestamp("ns", tz="UTC"))
    old = pa.table({"symbol": ["A_KRW"], "timestamp": stamp, "equity": [1.5], "drawdown": [0.0], "buy_and_hold": [2.0]})
    files = {"equity.parquet": parquet(old), "result.json": b'{"run_id":"t"}'}
    publish_task(store, {"task_id": "t", "status": "completed"}, files)
    with open_table(store, "t", "equity") as opened:
        assert pa.Table.from_batches(opened.batches(), opened.schema) == old.cast(TABLE_SCHEMAS["equity"])


@pytest.mark.parametrize(
    ("signals", "reason"), [(3, "only the number of its signals"), (None, "no signals")], ids=["count", "none"]
)
def test_a_result_without_rows_has_a_reason(store: LocalStore, signals: int | None, reason: str) -> None:
    """Early results of the legacy platform have counts; sweeps have nothing."""
    store.put("results/r.json", json.dumps({"symbols": [{"symbol": "BTC_KRW", "signals": signals}]}).encode())
    with pytest.raises(TableNotStored, match=reason), open_table(store, "r", "signals"):
        pass


def test_values_of_other_types_are_null(store: LocalStore) -> None:
    """A damaged legacy document is read as far as possible."""
    bad = {**SIGNAL, "timestamp": 5, "entry_price": "x", "exit_price": 1e999, "traded": 1}
    store.put("results/r.json", json.dumps({"symbols": [{"symbol": "BTC_KRW", "signals": [bad]}]}).encode())
    with open_table(store, "r", "signals") as opened:
        (row,) = pa.Table.from_batches(opened.batches(), opened.schema).to_pylist()
    assert {name for name, value in row.items() if value is not None} == {"symbol", "return_pct"}


@pytest.mark.parametrize(
    ("column", "value"), [("bars_held", 3.5), ("bars_held", 2**63), ("entry_time", "3000-01-01T00:00:00Z")]
)
def test_values_beyond_a_column_are_null(store: LocalStore, column: str, value: object) -> None:
    """A column of the legacy platform's documents may hold any number and any year."""
    trades = [{"bars_held": 2**63 - 1, "entry_time": "2261-12-31T00:00:00Z"} | {column: value}]
    store.put("results/r.json", to_bytes({"run_id": "r", "symbols": [{"symbol": "BTC_KRW", "trades": trades}]}))
    with open_table(store, "r", "trades") as opened:
        (row,) = pa.Table.from_batches(opened.batches()).to_pylist()
    assert [name for name in ("bars_held", "entry_time") if row[name] is None] == [column]
