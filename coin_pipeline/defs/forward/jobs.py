"""The job that advances forward tests."""

import dagster as dg

from coin_pipeline.defs.forward.ops import ForwardConfig, advance_tests, collect_new_candles
from coin_pipeline.defs.io_managers import drop_interim
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import MAX_RETRIES_TAG


@dg.job(
    executor_def=dg.in_process_executor,
    tags={MAX_RETRIES_TAG: "0"},  # the next run continues where one ends
    description="Collect new candles of the forward tests, decide each of them once, and book the fills on paper.",
    config=dg.RunConfig(ops={"collect_new_candles": ForwardConfig()}, loggers=QUIET_LOGGERS),
)
def forward_test() -> None:
    """Advance the active forward tests."""
    advance_tests.with_hooks({drop_interim})(collect_new_candles())
