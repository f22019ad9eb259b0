"""The JSON of a result, schema 1.2.0, built from arrays; and the table that carries a symbol's part of it."""

import io
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.backtest import portfolio
from coin_pipeline.backtest.fingerprint import versions
from coin_pipeline.backtest.results import Json
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.fills import Costs, Fill
from coin_pipeline.engine.metrics import Metrics, gross_return
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.simulate import Simulation
from coin_pipeline.market.quality import Coverage

SCHEMA = "1.2.0"
MAX_CURVE_POINTS = 10_000
MAX_GAPS = 20
_PART = b"coin.part"
Parts = Sequence[tuple[Json, pa.Table]]
"""For each symbol its JSON part, and the table of its equity per bar."""


def iso(ns: npt.ArrayLike) -> Any:  # noqa: ANN401 -- text for one instant, a list for an array
    """Format nanoseconds since the epoch as ISO 8601 UTC with Z, to the second."""
    return np.datetime_as_string(np.asarray(ns, "datetime64[ns]"), unit="s", timezone="UTC").tolist()


def counted(number: int, noun: str) -> str:
    """Return a count in words: 1 gap, 2 gaps."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def instant(moment: datetime) -> str:
    """Format a moment as ISO 8601 UTC with Z, to the microsecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def coverage_json(found: Coverage) -> Json:
    """Say how much of the range has candles, and where the first gaps are."""
    first, last = (None if ns is None else iso(ns) for ns in (found.first, found.last))
    gaps = [dict(zip(("start", "end"), iso([g.start, g.end]), strict=True), missing=g.missing) for g in found.gaps]
    return {
        "expected": found.expected,
        "present": found.present,
        "ratio": found.ratio,
        "first": first,
        "last": last,
        "gap_count": len(gaps),
        "gaps": gaps[:MAX_GAPS],
    }


def symbol_json(symbol: str, bars: Bars, simulation: Simulation, metrics: Metrics, spec: BacktestSpec) -> Json:
    """Return one entry of `symbols`: the keys of 1.1.0 first, then what 1.2.0 adds.

    win_rate is a share, avg_return and max_drawdown are percent, as they were; all three are 0 without trades.
    """
    trades = simulation.trades
    return {
        "symbol": symbol,
        "is_active": True,
        "signals": _signals(symbol, bars, simulation),
        "win_rate": metrics.win_rate or 0.0,
        "avg_return": 100 * (metrics.avg_return or 0.0),
        "max_drawdown": 100 * metrics.max_drawdown,
        "avg_hold_bars": metrics.avg_hold_bars or 0.0,
        "performance_curve": None,
        "trades": _trades(symbol, bars, trades, spec),
        "metrics": asdict(metrics),
        "costs": {"gross_return": gross_return(trades), "net_return": metrics.total_return},
    }


def checks_json(covered: Json, cuts: int) -> list[Json]:
    """Say what was verified about one symbol's run; what fails a check ends the run instead."""
    return [
        {"name": "candles", "passed": True, "detail": f"{covered['present']} candles in order, prices consistent"},
        {"name": "no_look_ahead", "passed": True, "detail": f"signals unchanged on bars cut off at {cuts} points"},
    ]


def to_table(bars: Bars, simulation: Simulation, costs: Costs, part: Json) -> pa.Table:
    """Return equity, drawdown and buy-and-hold value per bar, with `part` as JSON in the schema's metadata."""
    table = pa.table(
        {
            "timestamp": pa.array(bars.time, pa.timestamp("ns", tz="UTC")),
            "equity": simulation.equity,
            "drawdown": simulation.drawdown,
            "buy_and_hold": bars.close / costs.paid(bars.open[:1]),
        }
    )
    return table.replace_schema_metadata({_PART: json.dumps(part, allow_nan=False)})


def from_table(table: pa.Table) -> Json:
    """Return the part that `to_table` put beside the columns."""
    part: Json = json.loads(table.schema.metadata[_PART])
    return part


def equity_table(parts: Parts) -> pa.Table:
    """Return every symbol's columns of `to_table` one below the other, with the symbol as a column in front."""
    tables = [
        table.replace_schema_metadata(None).add_column(0, "symbol", pa.array([part["symbol"]] * len(table)))
        for part, table in parts
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
    parts: Parts,
    code_sha256: str,
    environment: str,
    times: tuple[datetime, datetime],
) -> Json:
    """Return the document of a finished run; `times` are its start and end."""
    symbols = [{**part, "performance_curve": _curve(table)} for part, table in parts]
    return {
        "version": SCHEMA,
        "run_id": run_id,
        **spec.model_dump(mode="json", include={"strategy", "params", "start_date", "end_date", "timeframe"}),
        "symbols": symbols,
        "total_signals": sum(len(part["signals"]) for part in symbols),
        "execution_time": (times[1] - times[0]).total_seconds(),
        "metadata": {
            "execution_date": instant(times[1]),
            "environment": environment,
            "execution_host": socket.gethostname(),
        },
        "description": None,
        "fill": spec.fill,
        "costs": {"fee_rate": spec.fee_rate, "slippage_rate": spec.slippage_rate, "legs": 2},
        "metrics": portfolio.combine(parts, spec.candle_length.bars_per_year),
        "fingerprint": {
            "spec": spec.digest,
            "candles": {part["symbol"]: part["candles"]["sha256"] for part in symbols},
            "code": code_sha256,
            "versions": versions(),
        },
        "warnings": [warning for part in symbols for warning in _warnings(part)],
    }


def _signals(symbol: str, bars: Bars, simulation: Simulation) -> list[Json]:
    """Every signal with the outcome it would have had by itself; nulls where its fill lies past the last candle."""
    samples = simulation.samples
    rows = zip(
        iso(bars.time[samples.signal_bar]),
        _numbers(samples.entry_price),
        _numbers(samples.exit_price),
        _numbers(samples.net_return),
        simulation.taken.tolist(),
        strict=True,
    )
    return [
        {
            "symbol": symbol,
            "type": "buy",
            "timestamp": stamp,
            "entry_price": entry,
            "exit_price": exit_price,
            "return_pct": net,
            "traded": traded,
        }
        for stamp, entry, exit_price, net, traded in rows
    ]


def _trades(symbol: str, bars: Bars, trades: Samples, spec: BacktestSpec) -> list[Json]:
    """Every round trip of the account; a fill at an open is stamped with it, one at a close with the candle's end."""
    at_close = spec.fill is Fill.SIGNAL_CLOSE
    length = spec.candle_length.ns
    rows = zip(
        iso(bars.time[trades.entry_bar] + length * at_close),
        iso(bars.time[trades.exit_bar] + length * (at_close | trades.open_at_end)),
        trades.entry_price.tolist(),
        trades.exit_price.tolist(),
        trades.net_return.tolist(),
        trades.bars_held.tolist(),
        trades.open_at_end.tolist(),
        strict=True,
    )
    names = ("entry_time", "exit_time", "entry_price", "exit_price", "return_pct", "bars_held", "open_at_end")
    return [{"symbol": symbol, **dict(zip(names, row, strict=True))} for row in rows]


def _numbers(column: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 -- only NaN differs from itself


def _curve(table: pa.Table) -> list[Json]:
    """Return equity and drawdown as JSON points; every k-th and the last where all would be too many to send."""
    step = max(1, -(-len(table) // (MAX_CURVE_POINTS - 1)))  # one point is for the last bar
    rows = np.unique(np.append(np.arange(0, len(table), step), len(table) - 1))
    thin = table.take(rows)
    stamps = iso(thin["timestamp"].cast(pa.int64()).to_numpy())
    points = zip(stamps, thin["equity"].to_pylist(), thin["drawdown"].to_pylist(), strict=True)
    return [{"timestamp": stamp, "equity": equity, "drawdown": drawdown} for stamp, equity, drawdown in points]


def _warnings(part: Json) -> list[str]:
    """Say in sentences what a reader of the figures must know."""
    symbol, candles, trades = part["symbol"], part["candles"], part["trades"]
    missing = candles["expected"] - candles["present"]
    found = []
    if missing > 0:
        share = 1 - candles["ratio"]
        found.append(
            f"{symbol}: {missing} of {candles['expected']} candles ({share:.2%}) are missing,"
            f" in {counted(candles['gap_count'], 'gap')};"
            f" the first candle is at {candles['first']}, the last at {candles['last']}"
        )
    if not trades:
        found.append(f"{symbol}: the strategy never traded")
    elif trades[-1]["open_at_end"]:
        found.append(f"{symbol}: the last position was still open and is valued at the last close")
    if part["signals"] and part["signals"][-1]["entry_price"] is None:
        found.append(f"{symbol}: the last candle gave a signal; it would be filled at the next open, which is not here")
    return found
