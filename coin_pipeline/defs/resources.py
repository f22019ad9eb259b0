"""What ops are handed: plain objects of ours, made from the settings when a run begins."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import cache

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.defs.candles.checks import CheckVerdicts
from coin_pipeline.defs.candles.ops import Exchanges
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, SLOW_TIMEOUTS, open_store
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry


@dg.resource(description="The candles under DATA_ROOT.")
def candles(_context: dg.InitResourceContext) -> CandleCatalog:
    """Return the catalogue of stored candles."""
    return CandleCatalog(load_settings().data_root)


@dg.resource(description="Where results and what passes between ops are stored.")
def store(context: dg.InitResourceContext) -> ObjectStore:
    """Return the object store of results; who looks at many runs, as a sensor does, does not wait long for it."""
    return open_store(load_settings(), SLOW_TIMEOUTS if context.run else FAST_TIMEOUTS)


@dg.resource(description="Every registered strategy, those of COIN_STRATEGY_FILES included.")
def strategies(_context: dg.InitResourceContext) -> StrategyRegistry:
    """Return the strategies that runs may name."""
    return load_registry(load_settings().coin_strategy_files)


@dg.resource(description="Exchanges by their names, each opened once in a run.")
def exchange(_context: dg.InitResourceContext) -> Iterator[Exchanges]:
    """Return what opens exchanges, and close them in the end."""
    with ExitStack() as stack:

        @cache
        def named(name: str) -> Exchange:
            return stack.enter_context(closing(open_exchange(name, load_settings())))

        yield named


@dg.resource(description="What the checks of candles have said in this run.")
def verdicts(_context: dg.InitResourceContext) -> CheckVerdicts:
    """Return an empty collection."""
    return CheckVerdicts()
