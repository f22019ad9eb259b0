"""What can be typed into the Launchpad of the sweep job."""

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from coin_pipeline.defs.backtests.config import TradingConfig
from coin_pipeline.sweeps.request import SweepRequest, parse_sweep


class SweepConfig(TradingConfig):
    """One sweep; what is fixed is as for a backtest."""

    space: dict[str, Any] = Field(
        description="Values of params, stop_loss, take_profit or trailing_stop by name: a list, '0.1,0.2,0.3',"
        " '5:60:5' (lo:hi:step, both ends included) or, unless the search is a grid, '5:60' (a range)."
    )
    search: Literal["grid", "random", "optuna"] = Field(
        default="grid", description="All points, random ones, or those that Optuna's TPE proposes."
    )
    trials: int | None = Field(default=None, description="How many points random and optuna try.")
    seed: int = Field(default=0, description="Of random and optuna.")
    objective: Literal["total_return", "return_over_drawdown", "win_rate", "avg_return", "profit_factor"] = Field(
        default="total_return", description="What is to be as high as possible."
    )
    confirm: bool = Field(default=False, description="Go on with very many points.")

    def request(self) -> SweepRequest:
        """Return the request this describes.

        Raises:
            InvalidSpec: naming each field that is wrong.
        """
        return parse_sweep(self.model_dump())


class EvaluationConfig(dg.Config):
    """How points are evaluated; what comes out does not depend on it."""

    workers: int | None = Field(
        default=None, ge=1, description="Threads of a chunk; if not given all cores, or 1 where chunks have processes."
    )
    fresh: bool = Field(default=False, description="Evaluate chunks even where their rows are stored.")


# What the Launchpad is filled with: it runs as it is once `coin demo` has made the demo's candles.
SWEEP_EXAMPLE = SweepConfig(
    strategy="volume_zone_breakout",
    symbols=["DEMO_KRW"],
    start_date="2023-01-01",
    end_date="2024-12-31",
    space={"volume_window": "5:60:5", "top_percentile": "0.1,0.2,0.3"},
)


def sweep_config_of(run: dg.DagsterRun) -> SweepConfig:
    """Return the config that a run of the job was launched with, or the job's own where it was launched without."""
    ops: Any = run.run_config.get("ops")
    return SweepConfig(**ops["plan_sweep"]["config"]) if ops else SWEEP_EXAMPLE
