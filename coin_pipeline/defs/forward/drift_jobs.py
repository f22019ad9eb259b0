"""The nightly comparison of forward tests with their backtests."""

import dagster as dg

from coin_pipeline.defs.forward.drift_assets import forward_tests
from coin_pipeline.forward import store
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, MAX_RETRIES_TAG

forward_drift = dg.define_asset_job(
    "forward_drift",
    selection=dg.AssetSelection.assets(forward_tests),
    executor_def=dg.in_process_executor,
    tags={CLASS_TAG: BULK, MAX_RETRIES_TAG: "0"},  # the next night compares again
    config={"loggers": QUIET_LOGGERS},
    description="Compare the active forward tests with the backtests of the candles that they have decided.",
)


@dg.schedule(
    name="nightly_drift",
    job=forward_drift,
    cron_schedule="30 4 * * *",
    execution_timezone="Asia/Seoul",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compare the active forward tests with their backtests, at 04:30.",
)
def nightly_drift(ledger: dg.ResourceParam[Ledger]) -> dg.RunRequest | dg.SkipReason:
    """Request a run if any forward test is active."""
    if ledger.run(lambda connection: store.list_tests(connection, active=True)):
        return dg.RunRequest()
    return dg.SkipReason("no forward test is active")
