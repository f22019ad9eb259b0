"""Executors and loggers of runs."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

QUIET_LOGGERS = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Logger config of a run: the run's event log already has everything that Dagster would print."""
_dagsters_own = dg.multi_or_in_process_executor

# Dagster's executor with another default: starting one process per step takes seconds.
in_process_or_multiprocess = dg.ExecutorDefinition(
    name="in_process_or_multiprocess",
    config_schema=dg.Field(_dagsters_own.config_schema.config_type, default_value={"in_process": {}}),
    requirements=_dagsters_own.get_requirements,
    executor_creation_fn=_dagsters_own.executor_creation_fn,
    description="Run all steps in the run's process, or each step in a process of its own.",
)


def uses_multiprocess(run_config: Mapping[str, Any]) -> bool:
    """Return whether a run config selects one process per step."""
    return "multiprocess" in run_config.get("execution", {}).get("config", {})
