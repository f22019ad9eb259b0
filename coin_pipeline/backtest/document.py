"""The result document, JSON schema 1.2.0, assembled from the parts of its symbols."""

import io
import socket
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.backtest.fingerprint import gap_json, missing_candles_json, result_digest
from coin_pipeline.backtest.formatting import Json, iso_microseconds, iso_seconds
from coin_pipeline.backtest.markets import common_quote
from coin_pipeline.backtest.portfolio import CombinedResult, Curve
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.warnings import collect_warnings, order_warnings
from coin_pipeline.candles.coverage import Coverage
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe

SCHEMA = "1.2.0"
MAX_CURVE_POINTS = 10_000
MAX_GAPS = 20
SymbolParts = Sequence[tuple[Json, pa.Table]]
"""Each symbol's JSON part and the table of its equity per bar."""


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


def equity_table(parts: SymbolParts, combined: CombinedResult) -> pa.Table:
    """Return the equity per bar of every symbol, stacked; a shared account comes first, as a symbol of its own.

    Returns:
        Columns symbol, timestamp (ns, UTC), equity (1.0 at the start), drawdown (a fraction), buy_and_hold.
    """
    tables = [
        table.replace_schema_metadata(None).add_column(0, "symbol", pa.array([part["symbol"]] * len(table)))
        for part, table in _blocks(parts, combined)
    ]
    return pa.concat_tables(tables)


def to_parquet(table: pa.Table) -> bytes:
    """Encode a table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def result_json(
    *,
    run_id: str,
    spec: BacktestSpec,
    parts: SymbolParts,
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
        parts: Each symbol's part, in the order of the spec.
        combined: All symbols together.
        params_schema: JSON schema of the strategy's parameters.
        fingerprint: Digests of the inputs.
        environment: Name of the environment that the run belongs to.
        times: Start and end of the run, UTC.
    """
    symbols = [{**part, "performance_curve": _curve(table)} for part, table in parts]
    document = {
        "version": SCHEMA,
        "run_id": run_id,
        **spec.model_dump(mode="json", include={"strategy", "params", "start_date", "end_date", "timeframe"}),
        "symbols": symbols,
        "total_signals": sum(len(part["signals"]) for part in symbols),
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
        "account": None
        if combined.account is None
        else {**combined.account, "performance_curve": _curve(_rows_of(combined))},
        "metrics": combined.metrics,
        "spec": spec.model_dump(mode="json"),
        "fingerprint": fingerprint,
        "warnings": [
            *collect_warnings(
                symbols,
                combined.metrics,
                combined.costs,
                combined.best,
                _days(combined.curve, spec.candle_length),
                spec.params,
                params_schema,
            ),
            *(order_warnings(symbols) if spec.tick_sizes == "upbit" else []),
        ],
    }
    return {**document, "result_sha256": result_digest(document)}


def _blocks(parts: SymbolParts, combined: CombinedResult) -> list[tuple[Json, pa.Table]]:
    shared = [] if combined.account is None else [({"symbol": combined.curve.name}, _rows_of(combined))]
    return [*shared, *parts]


def _days(curve: Curve, candle_length: Timeframe) -> float:
    """Return the days from the first open to the last close."""
    return (int(curve.time[-1]) - int(curve.time[0]) + candle_length.ns) / DAY_NS


def _rows_of(combined: CombinedResult) -> pa.Table:
    """Return the account's curve as a table with a symbol's columns."""
    time, equity, drawdown, held = combined.curve[1:]
    stamps = pa.array(time, pa.timestamp("ns", tz="UTC"))
    return pa.table({"timestamp": stamps, "equity": equity, "drawdown": drawdown, "buy_and_hold": held})


def _curve(table: pa.Table) -> list[Json]:
    """Return equity and drawdown as JSON points, thinned to every k-th bar and the last if there are too many."""
    step = max(1, -(-len(table) // (MAX_CURVE_POINTS - 1)))  # one point is for the last bar
    rows = np.unique(np.append(np.arange(0, len(table), step), len(table) - 1))
    thin = table.take(rows)
    stamps = iso_seconds(thin["timestamp"].cast(pa.int64()).to_numpy())
    points = zip(stamps, thin["equity"].to_pylist(), thin["drawdown"].to_pylist(), strict=True)
    return [{"timestamp": stamp, "equity": equity, "drawdown": drawdown} for stamp, equity, drawdown in points]
