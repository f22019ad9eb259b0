"""Loads, imports and compiles everything that a first run needs, so that no forked worker has to."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.orchestration._dagster_internals import ModuleCodePointer, reconstruct_repository_def_from_pointer
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.job_names import BACKTEST
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.strategies.registry import load_registry

DEFINITIONS = "coin_pipeline.definitions"
"""Module from which Dagster loads the job of a run, by name."""
WARM_UP_DAYS = 60


def warm_up() -> None:
    """Load all jobs and run each built-in strategy once, on a few synthetic candles in a temporary directory.

    Strategy files are left out: each run loads them in their current state.

    Raises:
        ServiceUnavailable: A built-in strategy fails.
    """
    open_store(load_settings())  # creating a bucket's client takes a quarter of a second
    repository = reconstruct_repository_def_from_pointer(ModuleCodePointer(DEFINITIONS, "defs"))
    jobs = {name: repository.get_job(name) for name in repository.job_names}
    daily = parse_timeframe("1d")
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        candles = CandleCatalog(Path(folder))
        candles.merge("WARM_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), WARM_UP_DAYS))
        registry = load_registry(())
        resources = {
            "alive": RunHeartbeat(),
            "candles": candles,
            "store": LocalStore(Path(folder)),
            "strategies": registry,
        }
        for name in registry.names():
            config = {"strategy": name, "symbols": ["WARM_KRW"], "start_date": "2024-01-01", "end_date": "2024-02-28"}
            result = jobs[BACKTEST].execute_in_process(
                {"ops": {"load_candles": {"config": config}}, "loggers": QUIET_LOGGERS},
                instance,
                raise_on_error=False,
                resources=resources,
            )
            if not result.success:
                raise ServiceUnavailable(f"the strategy {name} fails in a trial run; see the log above")
