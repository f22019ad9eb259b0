"""Definitions, with resources that tests may replace by objects of their own."""

from collections.abc import Mapping

import dagster as dg

from coin_pipeline.defs import alive, candle_assets, candle_sensors, io_managers, jobs, resources, schedules, sensors


def build_defs(resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return everything that Dagster is to know; overrides are plain objects or resource definitions."""
    return dg.Definitions(
        assets=candle_assets.assets,
        asset_checks=candle_assets.asset_checks,
        jobs=[jobs.backtest, jobs.sweep, jobs.retention, jobs.refresh_candles],
        schedules=[schedules.daily_retention, schedules.daily_candles()],
        sensors=[sensors.lost_runs, sensors.unanswered_tasks, candle_sensors.markets],
        executor=dg.in_process_executor,  # of runs that the page of an asset starts
        resources={
            "alive": alive.alive,
            "candles": resources.candles,
            "exchange": resources.exchange,
            "verdicts": resources.verdicts,
            "store": resources.store,
            "strategies": resources.strategies,
            "interim_io": io_managers.interim_io,
            "result_io": io_managers.result_io,
            "sweep_io": io_managers.sweep_io,
            **(resource_overrides or {}),
        },
    )
