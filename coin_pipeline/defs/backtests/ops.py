"""Ops of a backtest: each unpacks its config, makes one plain call and attaches metadata."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.limits import RunLimits, require_room
from coin_pipeline.backtest.preflight import coverage_of, require_candles, require_coverage
from coin_pipeline.backtest.runner import CandleSlice
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.backtest.symbol_output import SymbolOutput
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.backtests import metadata
from coin_pipeline.defs.backtests.config import BacktestConfig
from coin_pipeline.defs.mapping_keys import to_mapping_key
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.memory_limit import memory_limit_mib
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.report.page import render_backtest_report
from coin_pipeline.results.publish import ResultFiles, backtest_files
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dg.op(
    out=dg.DynamicOut(io_manager_key="interim_io"),
    description="Find, read and validate each symbol's candles; yield their digests and coverage.",
)
def load_candles(
    config: BacktestConfig,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    store: dg.ResourceParam[ObjectStore],
    alive: dg.ResourceParam[RunHeartbeat],
) -> Iterator[dg.DynamicOutput[CandleSlice]]:
    """Yield one slice per symbol."""
    with translate_errors():
        spec = resolve(config.request(), strategies)
        require_room(spec, require_candles(candles, spec), RunLimits.of(memory_limit_mib(), store))
        pieces = runner.find_candles(candles, spec, config.shelf)
        require_coverage(spec, coverage_of(pieces))
        for piece in pieces:
            key = to_mapping_key(piece.symbol)
            yield dg.DynamicOutput(piece, mapping_key=key, metadata=metadata.slice_metadata(piece))
        alive.step_done(_steps(spec))


@dg.op(
    out=dg.Out(io_manager_key="interim_io"),
    description="Run the strategy on one symbol and simulate its trades.",
)
def simulate(
    context: dg.OpExecutionContext,
    piece: CandleSlice,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    alive: dg.ResourceParam[RunHeartbeat],
) -> pa.Table:
    """Return one symbol's result as a table of one row; see `SymbolOutput.to_row`."""
    with translate_errors():
        output = runner.simulate_symbol(candles, strategies, piece)
        alive.step_done(_steps(piece.spec))
    context.add_output_metadata(metadata.symbol_metadata(output.facts))
    return output.to_row()


@dg.op(out=dg.Out(io_manager_key="result_io"), description="Combine the symbols and publish the result.")
def persist(
    context: dg.OpExecutionContext,
    parts: list[pa.Table],
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    alive: dg.ResourceParam[RunHeartbeat],
) -> ResultFiles:
    """Return the files of the finished result; the IO manager publishes them."""
    with translate_errors():
        task_id, environment = task_id_of(context.instance, context.run), load_settings().environment
        outputs = [SymbolOutput.from_row(part) for part in parts]
        result = runner.assemble_result(task_id, outputs, candles, strategies, environment, alive.started_at)
    context.add_output_metadata(metadata.result_metadata(result))
    return backtest_files(replace(result, report=render_backtest_report(result.document, result.tables).encode()))


def _steps(spec: BacktestSpec) -> int:
    """Return the number of steps of a backtest: one to load, one per symbol, one to publish."""
    return len(spec.symbols) + 2
