"""The retention job."""

import dagster as dg

from coin_pipeline.defs.maintenance.ops import RetentionConfig, remove_expired
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, MAX_RETRIES_TAG


@dg.job(
    executor_def=dg.in_process_executor,
    tags={CLASS_TAG: BULK, MAX_RETRIES_TAG: "0"},  # the next run completes what one leaves undone
    description="Remove expired tasks, broken runs, old run records, alerts and audit entries. results/ is kept.",
    config=dg.RunConfig(ops={"remove_expired": RetentionConfig()}, loggers=QUIET_LOGGERS),
)
def retention() -> None:
    """Remove everything past its retention period."""
    remove_expired()
