"""Resources of candle refreshes and of forward tests, which collect candles."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache

import dagster as dg

from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.defs.candles.checks import CheckVerdicts
from coin_pipeline.defs.candles.ops import Exchanges
from coin_pipeline.settings import load_settings


class ExchangesResource(dg.ConfigurableResource[Exchanges]):
    """Exchanges by name, each opened once per run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Exchanges]:  # noqa: ARG002 -- Dagster passes it
        """Yield a function that opens exchanges, and close them on exit."""
        with ExitStack() as stack:

            @cache
            def exchange(name: str) -> Exchange:
                return stack.enter_context(closing(open_exchange(name, load_settings())))

            yield exchange


class CheckVerdictsResource(dg.ConfigurableResource[CheckVerdicts]):
    """Verdicts of the candle checks in this run."""

    def create_resource(self, context: dg.InitResourceContext) -> CheckVerdicts:  # noqa: ARG002 -- same
        """Return an empty collection."""
        return CheckVerdicts()
