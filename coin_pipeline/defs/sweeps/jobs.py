"""The sweep job."""

import dagster as dg

from coin_pipeline.defs.io_managers import drop_interim
from coin_pipeline.defs.sweeps.config import SWEEP_EXAMPLE
from coin_pipeline.defs.sweeps.ops import evaluate_chunk, finish_sweep, plan_sweep
from coin_pipeline.orchestration.executors import QUIET_LOGGERS, in_process_or_multiprocess
from coin_pipeline.orchestration.retries import RETRY_ALL_STEPS
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG


@dg.job(
    executor_def=in_process_or_multiprocess,
    tags={CLASS_TAG: BULK, **RETRY_ALL_STEPS},
    description="Run one strategy at many points: plan chunks, evaluate each one, publish trials and analysis.",
    config=dg.RunConfig(ops={"plan_sweep": SWEEP_EXAMPLE}, loggers=QUIET_LOGGERS),
)
def sweep() -> None:
    """Plan the chunks, evaluate each one, and publish the result."""
    tables = plan_sweep().map(evaluate_chunk)
    finish_sweep.with_hooks({drop_interim})(tables.collect())
