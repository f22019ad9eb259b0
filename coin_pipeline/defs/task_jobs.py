"""The jobs of tasks on their own: a command that runs one need not load the definitions of all others."""

from importlib import import_module

import dagster as dg

from coin_pipeline.defs import io_managers, resources
from coin_pipeline.orchestration import heartbeat
from coin_pipeline.orchestration.job_names import BACKTEST, SWEEP

_MODULES = {BACKTEST: "coin_pipeline.defs.backtests.jobs", SWEEP: "coin_pipeline.defs.sweeps.jobs"}


def task_job(name: str) -> dg.JobDefinition | None:
    """Return the job of a task with its resources; None for other jobs."""
    if name not in _MODULES:
        return None
    job = getattr(import_module(_MODULES[name]), name)
    return dg.Definitions(jobs=[job], resources=task_resources()).resolve_job_def(name)


def task_resources() -> dict[str, object]:
    """Return the resources of these jobs by key."""
    return {
        "alive": heartbeat.RunHeartbeatResource(),
        "candles": resources.CandleCatalogResource(),
        "store": resources.ObjectStoreResource(),
        "strategies": resources.StrategyRegistryResource(),
        "interim_io": io_managers.interim_io,
        "result_io": io_managers.result_io,
        "sweep_io": io_managers.sweep_io,
    }
