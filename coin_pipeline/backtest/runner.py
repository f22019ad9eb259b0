"""The backtest: find candles, simulate each symbol, assemble the result.

`run_backtest` performs all three steps. Dagster runs each step as an op, so that a failed step is retried alone.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest import document, portfolio, symbol_result
from coin_pipeline.backtest.candle_source import CandleSource, raise_if_missing
from coin_pipeline.backtest.fingerprint import backtest_fingerprint, candles_digest, code_digest
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.indicators import stack_lines
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea, Times
from coin_pipeline.backtest.symbol_output import SymbolOutput
from coin_pipeline.backtest.tables import Tables
from coin_pipeline.backtest.tick_check import check_ticks
from coin_pipeline.backtest.warm_up import WarmUp, warm_bars
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.timeframe import day_range
from coin_pipeline.engine.account import MAX_EQUITY, is_representable
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.errors import CandlesChanged, CodeChanged, EquityOverflow, InvalidSpec, Problem, coded
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.registry import StrategyRegistry


class CandleSlice(BaseModel):
    """The candles of one symbol that a backtest reads, identified by their digest instead of copied."""

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
    """A finished backtest.

    Attributes:
        spec: What was run.
        shelf: Area in which the result is stored.
        document: The result document, schema 1.2.0.
        tables: Every signal and trade, and the equity per bar; see `tables.TABLE_SCHEMAS`.
        times: Start and end of the run, UTC.
        indicators: Lines that the strategy plots; see `indicators.stack_lines`.
    """

    spec: BacktestSpec
    shelf: ResultArea
    document: Json
    tables: Tables
    times: Times
    indicators: pa.Table | None = None


def run_backtest(
    spec: BacktestSpec,
    candles: CandleSource,
    registry: StrategyRegistry,
    *,
    run_id: str = "",
    environment: str = "",
    started_at: datetime | None = None,
    slices: Sequence[CandleSlice] | None = None,
    warm_ups: Mapping[str, WarmUp] | None = None,
) -> BacktestResult:
    """Run a backtest in this process and return its result, without storing it.

    Args:
        spec: What to run.
        candles: Source of the candles.
        registry: Registry that holds the strategy.
        run_id: ID in the document; changes no figure.
        environment: Name of the environment in the document; changes no figure.
        started_at: Start of the run, UTC; now if None.
        slices: What `find_candles` returned for this spec, if the caller has called it; None to call it here.
        warm_ups: Warm-up of each symbol, if it was chosen before, as in a sweep; None to choose it here.

    Raises:
        CandlesNotFound: One or more symbols have no candle in the range.
        InvalidCandles: Stored candles break a market's rules.
        CandlesChanged: Candles changed during the run.
        CodeChanged: The code of the engine or the strategy changed during the run.
        StrategyFailed: The strategy raised an exception or returned no signals.
        LookAhead: The strategy uses later bars.
    """
    start = datetime.now(UTC) if started_at is None else started_at
    if slices is None:
        slices = find_candles(candles, spec, "results")
    chosen = warm_ups or {}
    code = code_digest(registry.get(spec.strategy))
    outputs = [simulate_symbol(candles, registry, part, chosen.get(part.symbol), code) for part in slices]
    return assemble_result(run_id, outputs, candles, registry, environment, start)


def find_candles(
    candles: CandleSource, spec: BacktestSpec, shelf: ResultArea, closed_at: int | None = None
) -> list[CandleSlice]:
    """Read and validate every symbol's candles and return their digests and coverage, in the order of the spec.

    Candles that close after `closed_at`, ns UTC, by default now, are not missing: they do not exist yet.

    Raises:
        CandlesNotFound: One or more symbols have no candle in the range.
        InvalidCandles: Stored candles break a market's rules.
    """
    # Only one symbol's candles are in memory at a time.
    now = time.time_ns() if closed_at is None else closed_at
    slices = {symbol: _slice(candles, spec, shelf, symbol, now) for symbol in spec.symbols}
    raise_if_missing(candles, spec, [symbol for symbol, part in slices.items() if part is None])
    return [part for part in slices.values() if part]


def simulate_symbol(
    candles: CandleSource,
    registry: StrategyRegistry,
    candle_slice: CandleSlice,
    warm_up: WarmUp | None = None,
    code: str | None = None,
) -> SymbolOutput:
    """Run the strategy on one symbol, after its warm-up.

    Args:
        candles: Source of the candles.
        registry: Registry that holds the strategy.
        candle_slice: The symbol's candles.
        warm_up: Its warm-up, if it was chosen before; None to choose it here.
        code: Digest of the code before the simulation, if it is the same for several symbols; None to compute it here.

    Returns:
        The symbol's result. For a shared account the symbol's samples instead: its result depends on the other symbols.

    Raises:
        CandlesChanged: The candles are no longer those of the slice.
        StrategyFailed: The strategy raised an exception or returned no signals.
        LookAhead: The strategy uses later bars.
        EquityOverflow, InvalidSpec: The account, or its overlapping samples, grow beyond `MAX_EQUITY`.
    """
    start = time.perf_counter()
    spec = candle_slice.spec
    bars = read_candles(candles, candle_slice)
    strategy = registry.get(spec.strategy)
    inputs = {
        "slice": candle_slice.model_dump(mode="json", exclude={"spec"}),
        "code": code_digest(strategy) if code is None else code,
    }
    params = registry.resolve(spec.strategy, spec.params)
    warm_up, warm = warm_bars(candles, spec, candle_slice.symbol, bars, strategy, params, warm_up)
    bars = warm.in_range
    signals, report = checked_signals(strategy, params, warm.bars, candle_slice.symbol)
    signals = warm.of_range(signals)
    costs = spec.costs_of(candle_slice.symbol)
    simulation = simulate(bars, signals, costs, spec.fill, spec.stops, spec.sizing_of(candle_slice.symbol))
    facts: Json = {
        "checks": [
            *symbol_result.checks_json(candle_slice.coverage, report),
            *check_ticks(bars, spec.candle_length, costs.ticks),
        ],
        "candles": {
            "rows": candle_slice.rows,
            "sha256": candle_slice.sha256,
            "snapshot": candle_slice.snapshot,
            **candle_slice.coverage,
            "warm_up": warm_up and warm_up.to_json(bars.time),
        },
    }
    if spec.shared:
        facts["execution_time"] = time.perf_counter() - start
        output = SymbolOutput.from_samples(spec, simulation.samples, {**inputs, "facts": facts})
        return output.with_lines(signals.plot)
    if not is_representable(simulation.equity):
        if spec.fill is Fill.NEXT_OPEN:
            raise EquityOverflow(candle_slice.symbol, MAX_EQUITY)
        message = coded("samples_overflow", samples=len(simulation.samples), limit=f"{MAX_EQUITY:g}")
        raise InvalidSpec([Problem("fill", message)])
    spent = symbol_result.money_spent(simulation.trades, spec)
    result = symbol_result.symbol_result(candle_slice.symbol, bars, simulation, spec, spent)
    facts["execution_time"] = time.perf_counter() - start
    return SymbolOutput.from_result(spec, result, {**inputs, "facts": facts}).with_lines(signals.plot)


def assemble_result(
    run_id: str,
    outputs: Sequence[SymbolOutput],
    candles: CandleSource,
    registry: StrategyRegistry,
    environment: str,
    started_at: datetime,
) -> BacktestResult:
    """Combine the outputs of `simulate_symbol`, in any order, into one result of schema 1.2.0.

    Args:
        run_id: ID of the run, or of the task that it is an attempt of.
        outputs: One per symbol.
        candles: Source of the candles; read only for a shared account.
        registry: Registry that holds the strategy.
        environment: Name of the environment that the run belongs to.
        started_at: Start of the run, UTC.

    Raises:
        CodeChanged: The code of the engine or the strategy has changed since the symbols were simulated.
        CandlesChanged: A shared account reads the candles again, and they have changed.
    """
    by_symbol = {output.facts["slice"]["symbol"]: output for output in outputs}
    spec = outputs[0].spec
    slices = {symbol: CandleSlice(spec=spec, **own.facts["slice"]) for symbol, own in by_symbol.items()}
    strategy = registry.get(spec.strategy)
    own_candles = {symbol: slices[symbol].sha256 for symbol in spec.symbols}
    warm_ups = {symbol: by_symbol[symbol].facts["facts"]["candles"]["warm_up"] for symbol in spec.symbols}
    fingerprint = backtest_fingerprint(spec.digest, own_candles, warm_ups, strategy)
    if any(output.facts["code"] != fingerprint["code"] for output in outputs):
        raise CodeChanged(spec.strategy)
    ordered = [by_symbol[symbol] for symbol in spec.symbols]
    if spec.shared:
        samples = [output.samples for output in ordered]
        own, combined = portfolio.combine_shared_account(
            spec, spec.shared, samples, lambda symbol: read_candles(candles, slices[symbol])
        )
    else:
        own = [output.result for output in ordered]
        combined = portfolio.combine_equal_weight(own, spec.candle_length.bars_per_year, spec.sizing.fraction)
    results = [
        result._replace(json={**result.json, **output.facts["facts"]})
        for result, output in zip(own, ordered, strict=True)
    ]
    tables = document.result_tables(results, combined)
    times = (started_at, datetime.now(started_at.tzinfo))
    body = document.result_json(
        run_id=run_id,
        spec=spec,
        results=results,
        tables=tables,
        combined=combined,
        params_schema=strategy.Params.model_json_schema(),
        fingerprint=fingerprint,
        environment=environment,
        times=times,
    )
    lines = [(symbol, by_symbol[symbol].tables["indicators"]) for symbol in spec.symbols]
    return BacktestResult(spec, slices[spec.symbols[0]].shelf, body, tables, times, stack_lines(lines))


def read_candles(candles: CandleSource, candle_slice: CandleSlice) -> Bars:
    """Return the candles of a slice.

    Raises:
        CandlesChanged: The candles are no longer those of the slice.
    """
    spec = candle_slice.spec
    bars = candles.load(candle_slice.symbol, spec.candle_length, spec.start_date, spec.end_date, spec.timezone).bars
    if candles_digest(bars) != candle_slice.sha256:
        raise CandlesChanged(candle_slice.symbol)
    return bars


def _slice(candles: CandleSource, spec: BacktestSpec, shelf: ResultArea, symbol: str, now: int) -> CandleSlice | None:
    series = candles.load(symbol, spec.candle_length, spec.start_date, spec.end_date, spec.timezone)
    bars = series.bars
    if not len(bars):
        return None
    days = day_range(spec.start_date, spec.end_date, spec.timezone)
    covered = coverage(bars.time, spec.candle_length, *days, series.provenance.fetched, now)
    return CandleSlice(
        spec=spec,
        shelf=shelf,
        symbol=symbol,
        rows=len(bars),
        coverage=document.coverage_json(covered, series.resampled_from),
        sha256=candles_digest(bars),
        snapshot=series.snapshot,
    )
