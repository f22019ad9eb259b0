"""Ops of a backtest: each unpacks its config, makes one plain call and attaches metadata."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.fingerprint import code_digest
from coin_pipeline.backtest.limits import RunLimits, require_room
from coin_pipeline.backtest.preflight import coverage_of, require_candles, require_coverage
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.backtest.symbol_output import from_table, to_table
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.backtests import metadata
from coin_pipeline.defs.backtests.config import BacktestConfig
from coin_pipeline.defs.backtests.groups import CandleGroup, group_slices
from coin_pipeline.memory import release_memory
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.memory_limit import memory_limit_mib
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.results.publish import ResultFiles, backtest_files
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dg.op(
    out=dg.DynamicOut(io_manager_key="interim_io"),
    description="Find, read and validate each symbol's candles; yield their digests and coverage, by step.",
)
def load_candles(
    config: BacktestConfig,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    store: dg.ResourceParam[ObjectStore],
    alive: dg.ResourceParam[RunHeartbeat],
) -> Iterator[dg.DynamicOutput[CandleGroup]]:
    """Yield the candles of each step."""
    with translate_errors():
        spec = resolve(config.request(), strategies)
        require_room(spec, require_candles(candles, spec), RunLimits.of(memory_limit_mib(), store))
        pieces = runner.find_candles(candles, spec, config.shelf)
        require_coverage(spec, coverage_of(pieces))
        for key, group in group_slices(pieces):
            yield dg.DynamicOutput(CandleGroup.of(group), key, metadata=metadata.candle_metadata(group))
        alive.step_done(_steps(spec))


@dg.op(
    out=dg.Out(io_manager_key="interim_io"),
    description="Run the strategy on one or more symbols and simulate their trades.",
)
def simulate(
    context: dg.OpExecutionContext,
    group: CandleGroup,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    alive: dg.ResourceParam[RunHeartbeat],
) -> pa.Table:
    """Return the results as a table of one row per symbol; see `to_table`."""
    outputs = []
    with translate_errors():
        code = code_digest(strategies.get(group.spec.strategy))
        for piece in group.slices:
            outputs.append(runner.simulate_symbol(candles, strategies, piece, code=code))
            alive.step_done(_steps(piece.spec))
    context.add_output_metadata(metadata.simulation_metadata([output.facts for output in outputs]))
    return to_table(outputs)


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
        task_id, settings = task_id_of(context.instance, context.run), load_settings()
        outputs = [output for part in parts for output in from_table(part)]
        result = runner.assemble_result(task_id, outputs, candles, strategies, settings.environment, alive.started_at)
    tags = metadata.result_tags(result.document)
    context.instance.add_run_tags(context.run_id, dict(tags.items() - context.run.tags.items()))
    context.add_output_metadata(metadata.result_metadata(result, settings.coin_public_url))
    release_memory()  # encoding the tables is the peak of a large run
    return backtest_files(result)


def _steps(spec: BacktestSpec) -> int:
    """Return the number of parts of a backtest: one to load, one per symbol, one to publish."""
    return len(spec.symbols) + 2
