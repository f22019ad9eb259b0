"""Definitions, with resources that tests may replace by objects of their own."""

from collections.abc import Mapping

import dagster as dg

from coin_pipeline.defs import alive, io_managers, jobs, resources, schedules, sensors


def build_defs(resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return everything that Dagster is to know; overrides are plain objects or resource definitions."""
    return dg.Definitions(
        jobs=[jobs.backtest, jobs.sweep, jobs.retention],
        schedules=[schedules.daily_retention],
        sensors=[sensors.lost_runs, sensors.unanswered_tasks],
        resources={
            "alive": alive.alive,
            "candles": resources.candles,
            "store": resources.store,
            "strategies": resources.strategies,
            "interim_io": io_managers.interim_io,
            "result_io": io_managers.result_io,
            "sweep_io": io_managers.sweep_io,
            **(resource_overrides or {}),
        },
    )
