"""The job that refreshes candles."""

import dagster as dg

from coin_pipeline.candles.exchanges.base import UPBIT
from coin_pipeline.defs.candles.config import RefreshConfig
from coin_pipeline.defs.candles.ops import collect_symbol, plan_refresh
from coin_pipeline.defs.run_requests import PLAN_OP
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, EXCHANGE_TAG, MAX_RETRIES_TAG


@dg.job(
    executor_def=dg.in_process_executor,
    tags={CLASS_TAG: BULK, EXCHANGE_TAG: UPBIT, MAX_RETRIES_TAG: "0"},  # the next refresh resumes anyway
    description="Collect closed candles from an exchange, market by market, after those already fetched.",
    config=dg.RunConfig(ops={PLAN_OP: RefreshConfig()}, loggers=QUIET_LOGGERS),
)
def refresh_candles() -> None:
    """Collect each market."""
    plan_refresh().map(collect_symbol)
