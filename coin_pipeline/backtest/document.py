"""The result document, JSON schema 1.2.0, assembled from the results of its symbols.

The tables of a result have all its rows. The document has them too, up to a limit that keeps it small enough to be read
as a whole; beyond it the lists hold the first and the last rows, and `tables` has the number of all.
"""

import socket
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.fingerprint import gap_json, missing_candles_json, result_digest
from coin_pipeline.backtest.formatting import Json, iso_microseconds, iso_seconds
from coin_pipeline.backtest.markets import common_quote
from coin_pipeline.backtest.messages import warnings_json
from coin_pipeline.backtest.portfolio import CombinedResult, Curve
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.symbol_result import SymbolResult
from coin_pipeline.backtest.tables import TIME_TYPE, Tables, stack, table_digests, to_rows, unstack
from coin_pipeline.backtest.warnings import collect_warnings, order_warnings
from coin_pipeline.candles.coverage import Coverage
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe
from coin_pipeline.storage.mapped import release_pages

SCHEMA = "1.2.0"
MAX_ROWS = 10_000
"""Signals of all symbols together that a document has in full, and trades; with more, each list has its ends only."""
MAX_CURVE_POINTS, MAX_POINTS = 10_000, 100_000
"""Points of one performance curve, and of all curves of a document; with more, each is thinned to an equal share."""
MAX_GAPS = 20
TABLES_URL = "/api/backtests"


class Limits(NamedTuple):
    """Limits of a document: rows per kind of list over all symbols, None for all rows; points of all curves."""

    rows: int | None = MAX_ROWS
    points: int | None = MAX_POINTS


BOUNDED, COMPLETE = Limits(), Limits(None, None)


def coverage_json(covered: Coverage, resampled_from: Timeframe | None = None) -> Json:
    """Return the coverage of a symbol's candles: counts, the first gaps, and how many missing candles do not exist.

    Args:
        covered: The coverage.
        resampled_from: Length of the stored candles if the bars are resampled from them.
    """
    first, last = (None if ns is None else iso_seconds(ns) for ns in (covered.first, covered.last))
    closed_until = {"closed_until": iso_seconds(covered.closed_until)} if covered.closed_until is not None else {}
    origin = {"resampled_from": resampled_from.name} if resampled_from else {}
    return {
        "expected": covered.expected,
        "present": covered.present,
        "ratio": covered.ratio,
        "first": first,
        "last": last,
        "gap_count": len(covered.edges),
        "gaps": [gap_json(gap) for gap in covered.list_gaps(covered.edges[:MAX_GAPS])],
        **missing_candles_json(covered),
        **closed_until,
        **origin,
    }


def result_tables(results: Sequence[SymbolResult], combined: CombinedResult) -> Tables:
    """Return the tables of a result; the equity of a shared account comes first, as that of a symbol of its own."""
    account = [] if combined.account is None else [(combined.curve.name, _rows_of(combined.curve))]
    return {
        "signals": stack("signals", [(result.symbol, result.signals) for result in results]),
        "trades": stack("trades", [(result.symbol, result.trades) for result in results]),
        "equity": stack("equity", [*account, *((result.symbol, result.equity) for result in results)]),
    }


def result_json(
    *,
    run_id: str,
    spec: BacktestSpec,
    results: Sequence[SymbolResult],
    tables: Tables,
    combined: CombinedResult,
    params_schema: Json,
    fingerprint: Json,
    environment: str,
    times: tuple[datetime, datetime],
) -> Json:
    """Return the document of a finished run.

    Args:
        run_id: ID of the run, or of the task that it is an attempt of.
        spec: The backtest.
        results: The symbols' results, in the order of the spec.
        tables: Their rows, from `result_tables`.
        combined: All symbols together.
        params_schema: JSON schema of the strategy's parameters.
        fingerprint: Digests of the inputs.
        environment: Name of the environment that the run belongs to.
        times: Start and end of the run, UTC.
    """
    document = {
        "version": SCHEMA,
        "run_id": run_id,
        **spec.model_dump(mode="json", include={"strategy", "params", "start_date", "end_date", "timeframe"}),
        "symbols": [result.json for result in results],
        "total_signals": len(tables["signals"]),
        "execution_time": (times[1] - times[0]).total_seconds(),
        "metadata": {
            "execution_date": iso_microseconds(times[1]),
            "environment": environment,
            "execution_host": socket.gethostname(),
        },
        "description": None,
        "quote_currency": common_quote(spec.symbols),
        "timezone": spec.timezone,
        "fill": spec.fill,
        "costs": {"fee_rate": spec.fee_rate, "slippage_rate": spec.slippage_rate, "legs": 2, **combined.costs},
        "stops": spec.model_dump(mode="json", include={"stop_loss", "take_profit", "trailing_stop"}),
        "account": combined.account,
        "metrics": combined.metrics,
        "spec": spec.model_dump(mode="json"),
        "fingerprint": fingerprint,
        **warnings_json(
            [
                *collect_warnings(
                    results,
                    combined.metrics,
                    combined.costs,
                    combined.best,
                    _days(combined.curve, spec.candle_length),
                    spec.params,
                    params_schema,
                ),
                *(order_warnings(results) if spec.tick_sizes == "upbit" else []),
            ]
        ),
    }
    document = with_rows(document, tables, BOUNDED)
    document["tables"] = _tables_json(document, tables)
    return {**document, "result_sha256": result_digest(document)}


def complete_document(document: Json, tables: Tables) -> Json:
    """Return the document as it was before results had tables: with every row, and a digest of its own.

    Args:
        document: What `result_json` returned.
        tables: The rows of the same result.
    """
    bare = {key: value for key, value in document.items() if key not in {"tables", "result_sha256"}}
    complete = with_rows(bare, tables, COMPLETE)
    return {**complete, "result_sha256": result_digest(complete)}


def with_rows(document: Json, tables: Tables, limits: Limits) -> Json:
    """Return a document with the rows of its tables in the lists of its symbols, as far as the limits allow.

    Args:
        document: The document, with or without rows.
        tables: The rows of the same result.
        limits: How many rows and points it may have.
    """
    curves = unstack(tables["equity"])
    most = MAX_CURVE_POINTS
    if limits.points is not None and sum(min(len(rows), most) for _, rows in curves) > limits.points:
        most = limits.points // len(curves)
    points = {name: _curve(rows, most) for name, rows in curves}
    lists = {name: _ends(tables[name], limits.rows) for name in ("signals", "trades")}
    symbols = [
        {
            **part,
            "signals": to_rows(lists["signals"][part["symbol"]], type="buy"),
            "performance_curve": points[part["symbol"]],
            "trades": to_rows(lists["trades"][part["symbol"]]),
        }
        for part in document["symbols"]
    ]
    if document["account"] is None:
        return {**document, "symbols": symbols}
    return {
        **document,
        "symbols": symbols,
        "account": {**document["account"], "performance_curve": points[curves[0][0]]},
    }


def _ends(table: pa.Table, limit: int | None) -> dict[str, pa.Table]:
    """Return each symbol's rows, or its first and last ones if all symbols together have more than `limit`."""
    blocks = unstack(table)
    if limit is None or len(table) <= limit:
        return dict(blocks)
    keep = limit // (2 * len(blocks))
    return {
        symbol: rows if len(rows) <= 2 * keep else pa.concat_tables([rows[:keep], rows[len(rows) - keep :]])
        for symbol, rows in blocks
    }


def _tables_json(document: Json, tables: Tables) -> Json:
    """Return the number of rows of each table, how many are in the document, their digest and where to get them."""
    symbols, account = document["symbols"], document["account"]
    points = [*symbols, *([] if account is None else [account])]
    lists = {"signals": symbols, "trades": symbols, "equity": points}
    digests = table_digests(tables)
    keys = {"signals": "signals", "trades": "trades", "equity": "performance_curve"}
    return {
        name: {
            "rows": len(table),
            "in_document": sum(len(part[keys[name]]) for part in lists[name]),
            "sha256": digests[name],
            "href": f"{TABLES_URL}/{document['run_id']}/{name}",
        }
        for name, table in tables.items()
    }


def _days(curve: Curve, candle_length: Timeframe) -> float:
    """Return the days from the first open to the last close."""
    return (int(curve.time[-1]) - int(curve.time[0]) + candle_length.ns) / DAY_NS


def _rows_of(curve: Curve) -> pa.Table:
    """Return a curve as a table with the columns of a symbol's equity."""
    time, equity, drawdown, held = curve[1:]
    return pa.table(
        {"timestamp": pa.array(time, TIME_TYPE), "equity": equity, "drawdown": drawdown, "buy_and_hold": held}
    )


def _curve(table: pa.Table, most: int) -> list[Json]:
    """Return equity and drawdown as JSON points, thinned to every k-th bar and the last if there are too many."""
    step = max(1, -(-len(table) // (most - 1)))  # one point is for the last bar
    rows = np.unique(np.append(np.arange(0, len(table), step), len(table) - 1))
    thinned = to_rows(table.select(["timestamp", "equity", "drawdown"]).take(rows))
    release_pages()
    return thinned
