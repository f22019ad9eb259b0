"""Stored results with tables of any size, without running a backtest."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.tables import TABLE_SCHEMAS, TIME_TYPE, TableName, content_digest
from coin_pipeline.results.publish import publish_task
from coin_pipeline.results.store import to_bytes
from coin_pipeline.results.tables import BATCH_ROWS
from coin_pipeline.storage.base import ObjectStore

START_NS = 1_704_067_200_000_000_000
MINUTE_NS = 60_000_000_000
SYMBOLS = ("BTC_KRW", "ETH_KRW")


def signals_table(rows: int, seed: int = 1) -> pa.Table:
    """Return signals of two symbols, one per minute, with random prices; every third is traded."""
    return _table("signals", rows, seed, {"traded": pa.array(np.arange(rows) % 3 == 0)})


def trades_table(rows: int, seed: int = 2) -> pa.Table:
    """Return trades of two symbols; nothing is known of what was spent on every fifth."""
    number = np.arange(rows)
    reasons = pa.DictionaryArray.from_arrays(pa.array(number % 2).cast(pa.int32()), ["hold", "stop_loss"])
    columns = {
        "entry_time": _stamps(rows),
        "exit_time": _stamps(rows),
        "bars_held": pa.array(number % 9),
        "exit_reason": reasons,
        "open_at_end": pa.array(number % 7 == 0),
        "spent": pa.array(number / 3, mask=number % 5 == 0),
    }
    return _table("trades", rows, seed, columns)


def equity_table(rows: int, seed: int = 3) -> pa.Table:
    """Return the equity of two symbols."""
    return _table("equity", rows, seed, {})


def sample_tables(rows: int) -> dict[TableName, pa.Table]:
    """Return a table of each kind."""
    return {"signals": signals_table(rows), "trades": trades_table(rows), "equity": equity_table(rows)}


def to_items(table: pa.Table, name: TableName) -> list[dict[str, Any]]:
    """Return rows as the document and the pages have them."""
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            seconds = table[field.name].cast(pa.timestamp("s", "UTC")).cast(pa.string())
            table = table.set_column(position, field.name, pc.replace_substring(seconds, " ", "T"))
    constants = {"type": "buy"} if name == "signals" else {}
    return [{"symbol": row["symbol"], **constants, **row} for row in table.to_pylist()]


def publish_tables(store: ObjectStore, task_id: str, tables: dict[TableName, pa.Table], keep: int = 1) -> Json:
    """Store a task with tables, and return its document, which has the first and last `keep` rows of each symbol."""
    symbols: list[Json] = [{"symbol": symbol, "is_active": True} for symbol in (*SYMBOLS[:1], "XRP_KRW", *SYMBOLS[1:])]
    for name in sorted(tables.keys() - {"equity"}):
        for part in symbols:
            own = tables[name].filter(pc.equal(tables[name]["symbol"].cast(pa.string()), part["symbol"]))
            ends = own if len(own) <= 2 * keep else pa.concat_tables([own[:keep], own[-keep:]])
            part[name] = to_items(ends, name)
    recorded = {
        name: {
            "rows": len(table),
            "in_document": sum(len(part[name]) for part in symbols if name in part),
            "sha256": content_digest(table.schema, table.to_batches()),
        }
        for name, table in tables.items()
    }
    document = {
        "run_id": task_id,
        "symbols": symbols,
        "warnings": ["\ud55c\uae00"],
        "tables": recorded,
        "result_sha256": "",
    }
    files = {f"{name}.parquet": _parquet(table) for name, table in tables.items()}
    publish_task(store, {"task_id": task_id, "status": "completed"}, {**files, "result.json": to_bytes(document)})
    return document


def _table(name: TableName, rows: int, seed: int, columns: dict[str, pa.Array]) -> pa.Table:
    """Return a table with these columns, and random numbers in all others."""
    schema, random = TABLE_SCHEMAS[name], np.random.default_rng(seed)
    codes = pa.array(np.arange(rows) >= rows // 2).cast(pa.int32())
    given = {"symbol": pa.DictionaryArray.from_arrays(codes, list(SYMBOLS)), "timestamp": _stamps(rows), **columns}
    return pa.table(
        [given[field.name] if field.name in given else pa.array(random.normal(1, 0.1, rows)) for field in schema],
        schema=schema,
    )


def _stamps(rows: int) -> pa.Array:
    return pa.array(START_NS + MINUTE_NS * np.arange(rows)).cast(TIME_TYPE)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=BATCH_ROWS)
    return buffer.getvalue()
