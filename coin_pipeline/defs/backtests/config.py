"""Launchpad config of the backtest job."""

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from coin_pipeline.backtest.request import BacktestRequest, parse_request
from coin_pipeline.defs.request_config import request_config


class BacktestConfig(request_config(BacktestRequest)):  # type: ignore[misc]  # mypy cannot follow it
    """One backtest."""

    shelf: Literal["tasks", "results"] = Field(
        default="tasks", description="Storage area: tasks/ID expires, results/ID.json is kept permanently."
    )

    def request(self) -> BacktestRequest:
        """Return the validated request.

        Raises:
            InvalidSpec: Names each invalid field.
        """
        return parse_request(self.model_dump(exclude={"shelf"}))


# Prefilled in the Launchpad; it runs as is once `coin demo` has stored the demo candles.
EXAMPLE = BacktestConfig(
    strategy="volume_zone_breakout", symbols=["DEMO_KRW"], start_date="2023-01-01", end_date="2024-12-31"
)


def backtest_config_of(run: dg.DagsterRun) -> BacktestConfig:
    """Return the config that a run was launched with, or the job's example if it was launched without one."""
    ops: Any = run.run_config.get("ops")
    return BacktestConfig(**ops["load_candles"]["config"]) if ops else EXAMPLE
