"""Jobs: ops wired together."""

import dagster as dg

from coin_pipeline.defs.config import BacktestConfig
from coin_pipeline.defs.hooks import drop_interim, leave_failed_manifest
from coin_pipeline.defs.ops import load_candles, persist, simulate

# What the Launchpad is filled with: it runs as it is once `coin demo` has made the demo's candles.
_EXAMPLE = BacktestConfig(
    strategy="volume_zone_breakout", symbols=["DEMO_KRW"], start_date="2023-01-01", end_date="2024-12-31"
)


@dg.job(
    executor_def=dg.in_process_executor,
    hooks={leave_failed_manifest},
    description="One strategy on one or more symbols: load candles, simulate each symbol, publish the result.",
    config=dg.RunConfig(ops={"load_candles": _EXAMPLE}),
)
def backtest() -> None:
    """Load, simulate each symbol, persist."""
    parts = load_candles().map(simulate)
    persist.with_hooks({drop_interim})(parts.collect())
