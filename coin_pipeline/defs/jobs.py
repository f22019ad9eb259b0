"""Jobs: ops wired together."""

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG, RETRY_STRATEGY_TAG

from coin_pipeline.candles.exchanges.registry import UPBIT
from coin_pipeline.defs.candle_config import PLAN, RefreshConfig
from coin_pipeline.defs.candle_ops import collect_symbol, plan_refresh
from coin_pipeline.defs.config import EXAMPLE
from coin_pipeline.defs.executors import in_process_or_multiprocess
from coin_pipeline.defs.hooks import drop_interim
from coin_pipeline.defs.launcher import BULK, CLASS_TAG, EXCHANGE_TAG
from coin_pipeline.defs.launches import QUIET
from coin_pipeline.defs.ops import load_candles, persist, simulate
from coin_pipeline.defs.retention_ops import RetentionConfig, remove_expired
from coin_pipeline.defs.sweep_config import SWEEP_EXAMPLE
from coin_pipeline.defs.sweep_ops import evaluate_chunk, finish_sweep, plan_sweep

ANEW = {RETRY_STRATEGY_TAG: "ALL_STEPS"}
"""Another attempt runs all steps: of one whose process died it is not known what its steps have left."""


@dg.job(
    executor_def=dg.in_process_executor,
    tags=ANEW,
    description="One strategy on one or more symbols: load candles, simulate each symbol, publish the result.",
    config=dg.RunConfig(ops={"load_candles": EXAMPLE}, loggers=QUIET),
)
def backtest() -> None:
    """Load, simulate each symbol, persist."""
    parts = load_candles().map(simulate)
    persist.with_hooks({drop_interim})(parts.collect())


@dg.job(
    executor_def=in_process_or_multiprocess,
    tags={CLASS_TAG: BULK, **ANEW},
    description="One strategy at many points: plan chunks, evaluate each, publish trials and what to make of them.",
    config=dg.RunConfig(ops={"plan_sweep": SWEEP_EXAMPLE}, loggers=QUIET),
)
def sweep() -> None:
    """Plan, evaluate each chunk, finish."""
    tables = plan_sweep().map(evaluate_chunk)
    finish_sweep.with_hooks({drop_interim})(tables.collect())


@dg.job(
    executor_def=dg.in_process_executor,
    tags={CLASS_TAG: BULK, EXCHANGE_TAG: UPBIT, MAX_RETRIES_TAG: "0"},  # the next one goes on where one has ended
    description="Collect finished candles from an exchange: each market by itself, on from what is fetched already.",
    config=dg.RunConfig(ops={PLAN: RefreshConfig()}, loggers=QUIET),
)
def refresh_candles() -> None:
    """Collect each market."""
    plan_refresh().map(collect_symbol)


@dg.job(
    executor_def=dg.in_process_executor,
    tags={CLASS_TAG: BULK, MAX_RETRIES_TAG: "0"},  # what one leaves undone the next one does
    description="Remove tasks that have expired, what broken runs left, and old records of runs. results/ is kept.",
    config=dg.RunConfig(ops={"remove_expired": RetentionConfig()}, loggers=QUIET),
)
def retention() -> None:
    """Remove what is no longer kept."""
    remove_expired()
