"""The ops of a sweep; each unpacks its config, calls one function, and attaches metadata."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pyarrow as pa

from coin_pipeline.backtest.limits import RunLimits, require_room
from coin_pipeline.backtest.preflight import require_candles, require_coverage
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.sweeps import metadata
from coin_pipeline.defs.sweeps.config import EvaluationConfig, SweepConfig
from coin_pipeline.defs.sweeps.progress import PointsReporter
from coin_pipeline.orchestration.executors import uses_multiprocess
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.memory_limit import memory_limit_mib
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.report.sweep_page import equity_figures
from coin_pipeline.results.publish import ResultFiles
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps import evaluate, plan, result
from coin_pipeline.sweeps.cluster.client import evaluate_on_cluster
from coin_pipeline.sweeps.limits import require_trial_room
from coin_pipeline.sweeps.plan import SweepChunk
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import sweep_files
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import read_trials


@dg.op(
    out=dg.DynamicOut(io_manager_key="interim_io"),
    description="Read and validate the candles, count the points, and divide them into chunks.",
)
def plan_sweep(
    config: SweepConfig,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    store: dg.ResourceParam[ObjectStore],
) -> Iterator[dg.DynamicOutput[SweepChunk]]:
    """Yield the chunks of the sweep."""
    with translate_errors():
        spec, limits = resolve_sweep(config.request(), strategies), RunLimits.of(memory_limit_mib(), store)
        require_trial_room(spec, limits)
        require_room(spec, require_candles(candles, spec), limits)
        # Ray tasks need no step of their own: one step evaluates all points and divides them by itself.
        planned = plan.split_into_chunks(candles, strategies, spec, sys.maxsize if _uses_ray(spec) else None)
        require_coverage(spec, {item.symbol: item.coverage for item in planned.chunks[0].candles})
    for chunk in planned.chunks:
        key = f"chunk_{chunk.number + 1:04}"
        yield dg.DynamicOutput(chunk, mapping_key=key, metadata=metadata.chunk_metadata(planned, chunk))


@dg.op(
    out=dg.Out(io_manager_key="interim_io"),
    description="Evaluate the points of one chunk on every symbol, or reuse its stored trials.",
)
def evaluate_chunk(
    context: dg.OpExecutionContext,
    config: EvaluationConfig,
    chunk: SweepChunk,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    store: dg.ResourceParam[ObjectStore],
    alive: dg.ResourceParam[RunHeartbeat],  # noqa: ARG001 -- a step with a process of its own renews the lease
) -> pa.Table:
    """Return the trials of a chunk, one row per point and symbol."""
    started = time.perf_counter()
    if notice := _engine_notice(chunk.spec, config.workers):
        context.log.warning(notice)
    with translate_errors():
        progress = PointsReporter(context, len(chunk.spec.symbols)).add_rows
        if _uses_ray(chunk.spec):
            stored, settings = False, load_settings()
            table = evaluate_on_cluster(
                candles,
                strategies,
                store,
                chunk,
                settings.coin_ray_address,
                fresh=config.fresh,
                progress=progress,
                stall_s=settings.coin_stall_seconds,
            )
        else:
            stored = not config.fresh and read_trials(store, chunk.key) is not None  # damaged trials are not reused
            workers = config.workers or _workers(context)
            table = evaluate.evaluate(candles, strategies, store, chunk, workers, fresh=config.fresh, progress=progress)
    seconds = None if stored else time.perf_counter() - started
    context.add_output_metadata(metadata.trials_metadata(chunk.spec, table, seconds))
    return table


@dg.op(out=dg.Out(io_manager_key="sweep_io"), description="Combine the chunks and publish the result.")
def finish_sweep(
    context: dg.OpExecutionContext,
    tables: list[pa.Table],
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    alive: dg.ResourceParam[RunHeartbeat],
) -> ResultFiles:
    """Return the files of the finished sweep; the IO manager publishes them."""
    settings = load_settings()
    with translate_errors():
        task_id = task_id_of(context.instance, context.run)
        finished = result.assemble(task_id, tables, candles, strategies, settings.environment, alive.started_at)
    context.add_output_metadata(metadata.sweep_metadata(finished, settings.data_root, settings.coin_public_url))
    best = finished.best_equity
    figures = {} if best is None else equity_figures(best, finished.spec.timezone)
    return sweep_files(replace(finished, equity_figures=figures))


def _uses_ray(spec: SweepSpec) -> bool:
    """Return whether Ray evaluates a sweep; optuna proposes too few points at a time to gain from it."""
    return load_settings().coin_sweep_engine == "ray" and spec.search != "optuna"


def _engine_notice(spec: SweepSpec, workers: int | None) -> str:
    """Return what a user who selected the Ray cluster may expect and does not get; empty if there is nothing."""
    if load_settings().coin_sweep_engine == "local":
        return ""
    if not _uses_ray(spec):
        return (
            "this machine evaluates the sweep, although COIN_SWEEP_ENGINE=ray: optuna proposes each batch of points"
            " from the results of the last one"
        )
    return f"workers={workers} has no effect: the Ray cluster evaluates the sweep on all of its CPUs" if workers else ""


def _workers(context: dg.OpExecutionContext) -> int:
    # Chunks that run in parallel processes already use all cores.
    return 1 if uses_multiprocess(context.run.run_config) else os.cpu_count() or 1
