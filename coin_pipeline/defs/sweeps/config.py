"""Launchpad config of the sweep job."""

from typing import Any

import dagster as dg
from pydantic import Field

from coin_pipeline.defs.request_config import request_config
from coin_pipeline.sweeps.request import SweepRequest, parse_sweep


class SweepConfig(request_config(SweepRequest)):  # type: ignore[misc]  # mypy cannot follow it
    """One sweep; fixed fields are as in a backtest."""

    def request(self) -> SweepRequest:
        """Return the validated request.

        Raises:
            InvalidSpec: Names each invalid field.
        """
        return parse_sweep(self.model_dump())


class EvaluationConfig(dg.Config):
    """How points are evaluated; the results do not depend on it."""

    workers: int | None = Field(
        default=None,
        ge=1,
        description="Threads per chunk, or processes for a custom strategy; defaults to all cores, or to 1 if each"
        " chunk has its own process. Without effect on a Ray cluster, which uses all of its CPUs.",
    )
    fresh: bool = Field(default=False, description="Evaluate chunks even if their rows are already stored.")


# Prefilled in the Launchpad; it runs as is once `coin demo` has stored the demo candles.
SWEEP_EXAMPLE = SweepConfig(
    strategy="volume_zone_breakout",
    symbols=["DEMO_KRW"],
    start_date="2023-01-01",
    end_date="2024-12-31",
    space={"volume_window": "5:60:5", "top_percentile": "0.1,0.2,0.3"},
)


def sweep_config_of(run: dg.DagsterRun) -> SweepConfig:
    """Return the config that a run was launched with, or the job's example if it was launched without one."""
    ops: Any = run.run_config.get("ops")
    return SweepConfig(**ops["plan_sweep"]["config"]) if ops else SWEEP_EXAMPLE
