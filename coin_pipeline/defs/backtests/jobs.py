"""The backtest job."""

import dagster as dg

from coin_pipeline.defs.backtests.config import EXAMPLE
from coin_pipeline.defs.backtests.ops import load_candles, persist, simulate
from coin_pipeline.defs.io_managers import drop_interim
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.retries import RETRY_ALL_STEPS


@dg.job(
    executor_def=dg.in_process_executor,
    tags=RETRY_ALL_STEPS,
    description="One strategy on one or more symbols: load candles, simulate each symbol, publish the result.",
    config=dg.RunConfig(ops={"load_candles": EXAMPLE}, loggers=QUIET_LOGGERS),
)
def backtest() -> None:
    """Load the candles, simulate each symbol, publish the result."""
    parts = load_candles().map(simulate)
    persist.with_hooks({drop_interim})(parts.collect())
