"""Launchpad config of the job that refreshes candles."""

from typing import Any

import dagster as dg

from coin_pipeline.candles.refresh_spec import RefreshRequest, RefreshSpec, parse_refresh, resolve_refresh
from coin_pipeline.defs.request_config import request_config
from coin_pipeline.defs.run_requests import PLAN_OP
from coin_pipeline.settings import load_settings


class RefreshConfig(request_config(RefreshRequest, symbols=[], timeframes=[])):  # type: ignore[misc]  # same
    """Candles to refresh."""

    def resolved(self) -> RefreshSpec:
        """Return the spec, completed from the settings.

        Raises:
            InvalidSpec, InvalidSettings: Names each invalid field.
        """
        fields = {name: value for name, value in self.model_dump().items() if value != []}
        return resolve_refresh(parse_refresh(fields), load_settings())


def plan_config(context: dg.OpExecutionContext) -> RefreshConfig:
    """Return the config of a step's run with defaults filled in, even if the step is re-executed on its own."""
    config: Any = context.get_step_execution_context().resolved_run_config.ops[PLAN_OP].config
    return RefreshConfig(**config)
