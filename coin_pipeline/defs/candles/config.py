"""What can be typed into the Launchpad of the job that collects candles."""

from typing import Any

import dagster as dg
from pydantic import Field

from coin_pipeline.candles.exchanges.registry import UPBIT
from coin_pipeline.candles.refresh_spec import RefreshSpec, parse_refresh, resolve_refresh
from coin_pipeline.settings import load_settings

PLAN_OP = "plan_refresh"
"""The op that has the config of a run."""


class RefreshConfig(dg.Config):
    """Which candles are collected."""

    symbols: list[str] = Field(default=[], description="Markets, as BTC_KRW or KRW-BTC; none: SCHEDULER_SYMBOLS.")
    timeframes: list[str] = Field(default=[], description="Lengths of candles; none: SCHEDULER_TIMEFRAMES.")
    start: str | None = Field(
        default=None, description="First day in Asia/Seoul, YYYY-MM-DD; none: on from what is fetched already."
    )
    end: str | None = Field(
        default=None, description="Last day in Asia/Seoul, included whole; none: the newest finished candle."
    )
    exchange: str = Field(default=UPBIT, description="Where they are asked for.")

    def resolved(self) -> RefreshSpec:
        """Return what this describes, completed from the settings.

        Raises:
            InvalidSpec, InvalidSettings: naming each field that is wrong.
        """
        fields = {name: value for name, value in self.model_dump().items() if value != []}
        return resolve_refresh(parse_refresh(fields), load_settings())


def plan_config(context: dg.OpExecutionContext) -> RefreshConfig:
    """Return the config of the run that a step is one of, defaults filled in; one that is repeated alone has it too."""
    config: Any = context.get_step_execution_context().resolved_run_config.ops[PLAN_OP].config
    return RefreshConfig(**config)
