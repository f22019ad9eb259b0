"""How the steps of a run are executed."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

QUIET_LOGGERS = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Loggers of a run: what Dagster would print about each event is in the run's log already."""
_dagsters_own = dg.multi_or_in_process_executor

# Dagster's own, but by default in one process: to start one for every step takes seconds.
in_process_or_multiprocess = dg.ExecutorDefinition(
    name="in_process_or_multiprocess",
    config_schema=dg.Field(_dagsters_own.config_schema.config_type, default_value={"in_process": {}}),
    requirements=_dagsters_own.get_requirements,
    executor_creation_fn=_dagsters_own.executor_creation_fn,
    description="All steps in the process of the run, or each in one of its own.",
)


def uses_multiprocess(run_config: Mapping[str, Any]) -> bool:
    """Tell whether a run's steps have processes of their own."""
    return "multiprocess" in run_config.get("execution", {}).get("config", {})
