"""The steps of one backtest as plain functions of values: find candles, simulate a symbol, assemble."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest import document, portfolio, symbol_result
from coin_pipeline.backtest.fingerprint import candles_digest, code_digest, fingerprint_of
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.portfolio import combine_shared_account
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea, Times
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.timeframe import day_range
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.lookahead import LookAheadReport, check_no_lookahead
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.errors import CandlesChanged, CandlesNotFound, CodeChanged, InvalidSpec, Problem
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry


class CandleSlice(BaseModel):
    """The candles of one symbol that a backtest reads, named by their digest instead of copied."""

    model_config = ConfigDict(frozen=True)

    spec: BacktestSpec
    shelf: ResultArea
    symbol: str
    rows: int
    coverage: Json
    sha256: str
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A finished backtest, ready to be published: its document, equity per bar, start and end, and report page."""

    spec: BacktestSpec
    shelf: ResultArea
    document: Json
    equity: pa.Table
    times: Times
    report: bytes = b""


def find_candles(catalog: CandleCatalog, spec: BacktestSpec, shelf: ResultArea) -> list[CandleSlice]:
    """Read and check every symbol's candles, and say which they were.

    Raises:
        CandlesNotFound: one or more symbols have no candle in the range.
        InvalidCandles: stored candles that no market can have produced.
    """
    # Only one symbol's candles are in memory at a time.
    found = {symbol: _slice(catalog, spec, shelf, symbol) for symbol in spec.symbols}
    raise_if_missing(catalog, spec, [symbol for symbol, piece in found.items() if piece is None])
    return [piece for piece in found.values() if piece]


def simulate_symbol(catalog: CandleCatalog, registry: StrategyRegistry, piece: CandleSlice) -> pa.Table:
    """Run the strategy on one symbol; return its equity per bar, with the symbol's part of the result as metadata.

    Raises:
        CandlesChanged: what is stored is no longer what the run was started with.
        StrategyFailed: the strategy's own code raised or returned no signals.
        LookAhead: the strategy uses bars that it cannot have known.
    """
    began = time.perf_counter()
    spec = piece.spec
    bars = read_candles(catalog, piece)
    strategy = registry.get(spec.strategy)
    signals, evidence = checked_signals(strategy, registry.resolve(spec.strategy, spec.params), bars, piece.symbol)
    simulation = simulate(bars, signals, spec.costs, spec.fill, spec.stops, spec.sizing)
    told = {"slice": piece.model_dump(mode="json"), "code": code_digest(strategy)}
    facts: Json = {
        "checks": symbol_result.checks_json(piece.coverage, evidence),
        "candles": {"rows": piece.rows, "sha256": piece.sha256, "snapshot": piece.snapshot, **piece.coverage},
    }
    if spec.shared:  # what the account makes of the samples depends on those of the other symbols
        facts["execution_time"] = time.perf_counter() - began
        return symbol_result.samples_table(simulation.samples, {**told, "facts": facts})
    if not np.isfinite(simulation.equity).all():
        reason = f"the returns of {len(simulation.samples)} overlapping samples compound beyond what a number can hold"
        raise InvalidSpec([Problem("fill", f"{reason}; use next_open, a shorter range or a shorter hold")])
    part = symbol_result.symbol_json(
        piece.symbol, bars, simulation, spec, symbol_result.money_spent(simulation.trades, spec)
    )
    facts["execution_time"] = time.perf_counter() - began
    return symbol_result.to_table(bars, simulation, spec.costs, {**told, "facts": facts, "symbol": part})


def checked_signals(
    strategy: Strategy[Any], params: StrategyParams, bars: Bars, symbol: str
) -> tuple[Signals, LookAheadReport]:
    """Run a strategy and check that it does not look ahead; return its signals and what was compared.

    Raises:
        StrategyFailed: the strategy's own code raised or returned no signals.
        LookAhead: the strategy uses bars that it cannot have known.
    """

    def signals_of(known: Bars) -> Signals:
        return run_strategy(strategy, known, params, symbol)

    signals = signals_of(bars)
    return signals, check_no_lookahead(bars, signals_of, signals, strategy.warm_up_bars(params))


def assemble_result(
    run_id: str,
    tables: Sequence[pa.Table],
    catalog: CandleCatalog,
    registry: StrategyRegistry,
    environment: str,
    started_at: datetime,
) -> BacktestResult:
    """Put what `simulate_symbol` returned together, in the order of the spec, as one result of schema 1.2.0.

    Raises:
        CodeChanged: the engine or the strategy is no longer what the symbols were simulated with.
        CandlesChanged: a shared account reads them once more, and they are no longer the same.
    """
    told = [(symbol_result.from_table(table), table) for table in tables]
    pieces = {piece.symbol: piece for piece in (CandleSlice.model_validate(one["slice"]) for one, _ in told)}
    by_symbol = {one["slice"]["symbol"]: (one, table) for one, table in told}
    spec, shelf = (piece := next(iter(pieces.values()))).spec, piece.shelf
    strategy = registry.get(spec.strategy)
    fingerprint = fingerprint_of(spec.digest, {symbol: pieces[symbol].sha256 for symbol in spec.symbols}, strategy)
    if any(one["code"] != fingerprint["code"] for one, _ in told):
        raise CodeChanged(spec.strategy)
    ordered = [by_symbol[symbol] for symbol in spec.symbols]
    if spec.shared:
        samples = [symbol_result.from_samples_table(table) for _, table in ordered]
        own, whole = combine_shared_account(
            spec, spec.shared, samples, lambda symbol: read_candles(catalog, pieces[symbol])
        )
    else:
        own = [(one["symbol"], table) for one, table in ordered]
        whole = portfolio.combine_equal_weight(own, spec.candle_length.bars_per_year, spec.sizing.fraction)
    parts = [({**part, **one["facts"]}, table) for (part, table), (one, _) in zip(own, ordered, strict=True)]
    times = (started_at, datetime.now(started_at.tzinfo))
    body = document.result_json(
        run_id=run_id,
        spec=spec,
        parts=parts,
        whole=whole,
        params_schema=strategy.Params.model_json_schema(),
        fingerprint=fingerprint,
        environment=environment,
        times=times,
    )
    return BacktestResult(spec, shelf, body, document.equity_table(parts, whole), times)


def read_candles(catalog: CandleCatalog, piece: CandleSlice) -> Bars:
    """Read the candles of a slice.

    Raises:
        CandlesChanged: what is stored is no longer what the run was started with.
    """
    bars = _read(catalog, piece.spec, piece.symbol)
    if candles_digest(bars) != piece.sha256:
        raise CandlesChanged(piece.symbol)
    return bars


def _read(catalog: CandleCatalog, spec: BacktestSpec, symbol: str) -> Bars:
    return catalog.read(symbol, spec.candle_length, spec.start_date, spec.end_date)


def _slice(catalog: CandleCatalog, spec: BacktestSpec, shelf: ResultArea, symbol: str) -> CandleSlice | None:
    series = catalog.load(symbol, spec.candle_length, spec.start_date, spec.end_date)
    bars = series.bars
    if not len(bars):
        return None
    days = day_range(spec.start_date, spec.end_date)
    covered = coverage(bars.time, spec.candle_length, *days, series.provenance.fetched)
    return CandleSlice(
        spec=spec,
        shelf=shelf,
        symbol=symbol,
        rows=len(bars),
        coverage=document.coverage_json(covered),
        sha256=candles_digest(bars),
        snapshot=series.snapshot,
    )


def raise_if_missing(catalog: CandleCatalog, spec: BacktestSpec, missing: Sequence[str]) -> None:
    """Raise CandlesNotFound if there are symbols without candles, with what is stored for each."""
    if missing:
        stored = {symbol: catalog.describe(symbol) for symbol in missing}
        raise CandlesNotFound(stored, spec.timeframe, spec.start_date, spec.end_date)
