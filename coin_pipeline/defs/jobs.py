"""Jobs: ops wired together."""

import dagster as dg

from coin_pipeline.defs.config import EXAMPLE
from coin_pipeline.defs.hooks import drop_interim, leave_failed_manifest
from coin_pipeline.defs.ops import load_candles, persist, simulate


@dg.job(
    executor_def=dg.in_process_executor,
    hooks={leave_failed_manifest},
    description="One strategy on one or more symbols: load candles, simulate each symbol, publish the result.",
    config=dg.RunConfig(ops={"load_candles": EXAMPLE}),
)
def backtest() -> None:
    """Load, simulate each symbol, persist."""
    parts = load_candles().map(simulate)
    persist.with_hooks({drop_interim})(parts.collect())
