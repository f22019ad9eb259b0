"""Everything that a first run loads, imports and compiles, so that no forked worker has to."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.defs.build import build_defs
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.orchestration._dagster_internals import ModuleCodePointer, reconstruct_repository_def_from_pointer
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.strategies.registry import load_registry

DEFINITIONS = "coin_pipeline.definitions"
"""Where Dagster looks for the job of a run, by name."""
WARM_UP_DAYS = 60


def warm_up() -> None:
    """Run each built-in strategy once on a few made-up candles, in a folder that is thrown away.

    Strategy files are left out: each run loads them as they are then.
    """
    open_store(load_settings())  # the client of a bucket takes a quarter of a second to make
    repository = reconstruct_repository_def_from_pointer(ModuleCodePointer(DEFINITIONS, "defs"))
    for name in repository.job_names:
        repository.get_job(name)
    daily = parse_timeframe("1d")
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        candles = CandleCatalog(Path(folder))
        candles.merge("WARM_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), WARM_UP_DAYS))
        overrides = {
            "alive": RunHeartbeat(),
            "candles": candles,
            "store": LocalStore(Path(folder)),
            "strategies": (registry := load_registry(())),
        }
        job = build_defs(overrides).resolve_job_def("backtest")
        for name in registry.names():
            config = {"strategy": name, "symbols": ["WARM_KRW"], "start_date": "2024-01-01", "end_date": "2024-02-28"}
            run_config = {"ops": {"load_candles": {"config": config}}, "loggers": QUIET_LOGGERS}
            done = job.execute_in_process(run_config, instance, raise_on_error=False)
            if not done.success:
                raise ServiceUnavailable(f"{name} does not run; see above")
