"""The Dagster definitions; tests may override resources."""

from collections.abc import Mapping

import dagster as dg

from coin_pipeline.defs import resources
from coin_pipeline.defs.alerts.sensors import check_alerts, condition_alerts, run_alerts
from coin_pipeline.defs.backtests.jobs import backtest
from coin_pipeline.defs.backups.jobs import backup, backup_cleanup, restore_drill
from coin_pipeline.defs.backups.schedules import backup_schedules
from coin_pipeline.defs.candles import assets
from coin_pipeline.defs.candles import resources as candle_resources
from coin_pipeline.defs.candles.jobs import refresh_candles
from coin_pipeline.defs.candles.schedules import daily_candles
from coin_pipeline.defs.candles.sensors import imported_candles, markets
from coin_pipeline.defs.forward import drift_assets
from coin_pipeline.defs.forward.drift_jobs import forward_drift, nightly_drift
from coin_pipeline.defs.forward.jobs import forward_test
from coin_pipeline.defs.forward.resources import LedgerResource
from coin_pipeline.defs.forward.schedules import forward_tests
from coin_pipeline.defs.maintenance.jobs import retention
from coin_pipeline.defs.maintenance.schedules import daily_retention
from coin_pipeline.defs.sweeps.jobs import sweep
from coin_pipeline.defs.task_jobs import task_resources


def build_defs(resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return all definitions.

    Args:
        resource_overrides: Resources by key, as plain objects or resource definitions.
    """
    return dg.Definitions(
        assets=[*assets.assets, drift_assets.forward_tests],
        asset_checks=assets.asset_checks,
        jobs=[
            *(backtest, sweep, retention, refresh_candles, forward_test, forward_drift),
            *(backup, restore_drill, backup_cleanup),
        ],
        schedules=[*backup_schedules(), daily_retention, daily_candles(), forward_tests, nightly_drift],
        sensors=[markets, imported_candles, run_alerts, check_alerts, condition_alerts],
        executor=dg.in_process_executor,  # for runs launched from an asset's page
        resources={
            **task_resources(),
            "exchange": candle_resources.ExchangesResource(),
            "in_memory_io": dg.mem_io_manager,
            "run_stack": resources.RunStackResource(),
            "ledger": LedgerResource(),
            "outbox": resources.OutboxResource(),
            "verdicts": candle_resources.CheckVerdictsResource(),
            **(resource_overrides or {}),
        },
    )
