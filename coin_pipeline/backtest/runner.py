"""The steps of one backtest as plain functions of values: find candles, simulate a symbol, assemble, publish."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest import document, results
from coin_pipeline.backtest.fingerprint import candles_digest, code_digest
from coin_pipeline.backtest.manifest import Times, completed_manifest
from coin_pipeline.backtest.results import Json, Shelf
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.lookahead import check_no_lookahead, cut_points
from coin_pipeline.engine.metrics import measure
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.errors import CandlesChanged, CandlesNotFound, InvalidSpec, Problem
from coin_pipeline.market.catalog import CandleCatalog
from coin_pipeline.market.quality import coverage
from coin_pipeline.market.timeframe import day_range
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.strategies.user_code import run_strategy


class CandleSlice(BaseModel):
    """The candles of one symbol that a backtest reads, named by their digest instead of copied."""

    model_config = ConfigDict(frozen=True)

    spec: BacktestSpec
    shelf: Shelf
    symbol: str
    rows: int
    coverage: Json
    sha256: str


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A finished backtest, ready to be published: its document, equity per bar, start and end, and report page."""

    spec: BacktestSpec
    shelf: Shelf
    document: Json
    equity: pa.Table
    times: Times
    report: bytes = b""


def require_candles(catalog: CandleCatalog, spec: BacktestSpec) -> None:
    """Check from file footers alone that every symbol has candles around the range.

    Raises:
        CandlesNotFound: naming each symbol that has none, and what is stored for it.
    """
    start, end = day_range(spec.start_date, spec.end_date)
    missing = []
    for symbol in spec.symbols:
        stored = catalog.stored(symbol, spec.candle_length)
        if not any(s.first.timestamp() * 1e9 < end and s.last.timestamp() * 1e9 >= start for s in stored):
            missing.append(symbol)
    _refuse_missing(catalog, spec, missing)


def find_candles(catalog: CandleCatalog, spec: BacktestSpec, shelf: Shelf) -> list[CandleSlice]:
    """Read and check every symbol's candles, and say which they were.

    Raises:
        CandlesNotFound: one or more symbols have no candle in the range.
        InvalidCandles: stored candles that no market can have produced.
    """
    start, end = day_range(spec.start_date, spec.end_date)
    found, missing = [], []
    for symbol in spec.symbols:  # only one symbol's candles are in memory at a time
        bars = _read(catalog, spec, symbol)
        if not len(bars):
            missing.append(symbol)
            continue
        covered = document.coverage_json(coverage(bars.time, spec.candle_length, start, end))
        digest = candles_digest(bars)
        found.append(
            CandleSlice(spec=spec, shelf=shelf, symbol=symbol, rows=len(bars), coverage=covered, sha256=digest)
        )
    _refuse_missing(catalog, spec, missing)
    return found


def simulate_symbol(catalog: CandleCatalog, registry: StrategyRegistry, piece: CandleSlice) -> pa.Table:
    """Run the strategy on one symbol; return its equity per bar, with the symbol's part of the result as metadata.

    Raises:
        CandlesChanged: what is stored is no longer what the run was started with.
        StrategyFailed: the strategy's own code raised or returned no signals.
        LookAhead: the strategy uses bars that it cannot have known.
    """
    began = time.perf_counter()
    spec = piece.spec
    bars = _read(catalog, spec, piece.symbol)
    if candles_digest(bars) != piece.sha256:
        raise CandlesChanged(piece.symbol)
    strategy = registry.get(spec.strategy)
    params = registry.resolve(spec.strategy, spec.params)

    def signals_of(known: Bars) -> Signals:
        return run_strategy(strategy, known, params, piece.symbol)

    signals = signals_of(bars)
    decisions = signals.entries if signals.exits is None else signals.entries | signals.exits
    cuts = cut_points(decisions, seed=0)
    check_no_lookahead(bars, signals_of, signals, cuts)
    simulation = simulate(bars, signals, spec.costs, spec.fill)
    if not np.isfinite(simulation.equity).all():
        reason = f"the returns of {len(simulation.samples)} overlapping samples compound beyond what a number can hold"
        raise InvalidSpec([Problem("fill", f"{reason}; use next_open, a shorter range or a shorter hold")])
    metrics = measure(simulation, bars, spec.candle_length.bars_per_year, spec.costs)
    part = document.symbol_json(piece.symbol, bars, simulation, metrics, spec)
    part["checks"] = document.checks_json(piece.coverage, len(cuts))
    part["candles"] = {"rows": piece.rows, "sha256": piece.sha256, **piece.coverage}
    part["execution_time"] = time.perf_counter() - began
    return document.to_table(bars, simulation, spec.costs, {"slice": piece.model_dump(mode="json"), "symbol": part})


def assemble(
    run_id: str, parts: Sequence[pa.Table], registry: StrategyRegistry, environment: str, started_at: datetime
) -> BacktestResult:
    """Put the symbols' parts together, in the order of the spec, as one result of schema 1.2.0."""
    read = [document.from_table(part) for part in parts]
    piece = CandleSlice.model_validate(read[0]["slice"])
    spec = piece.spec
    by_symbol = {part["symbol"]["symbol"]: (part["symbol"], table) for part, table in zip(read, parts, strict=True)}
    ordered = [by_symbol[symbol] for symbol in spec.symbols]
    times = (started_at, datetime.now(started_at.tzinfo))
    body = document.result_json(
        run_id=run_id,
        spec=spec,
        parts=ordered,
        code_sha256=code_digest(registry.get(spec.strategy)),
        environment=environment,
        times=times,
    )
    equity = document.equity_table(ordered)
    return BacktestResult(spec, piece.shelf, body, equity, times)


def publish(store: ObjectStore, result: BacktestResult) -> str:
    """Store a result where its shelf says; return the key of its document."""
    if result.shelf == "results":
        return results.publish_result(store, result.document, result.report)
    files = {
        "equity.parquet": document.to_parquet(result.equity),
        "report.html": result.report,
        "result.json": results.to_bytes(result.document),
    }
    return results.publish_task(store, completed_manifest(result.document, result.times), files)


def _read(catalog: CandleCatalog, spec: BacktestSpec, symbol: str) -> Bars:
    return catalog.read(symbol, spec.candle_length, spec.start_date, spec.end_date)


def _refuse_missing(catalog: CandleCatalog, spec: BacktestSpec, missing: Sequence[str]) -> None:
    if missing:
        stored = {symbol: catalog.describe(symbol) for symbol in missing}
        raise CandlesNotFound(stored, spec.timeframe, spec.start_date, spec.end_date)
