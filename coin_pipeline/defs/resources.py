"""Resources of ops and assets: each creates a plain object from the settings when a run starts.

Ops take the objects as `dg.ResourceParam`, so that `build_defs` accepts any object of the same kind in place of a
resource.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, SLOW_TIMEOUTS, open_store
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry


class CandleCatalogResource(dg.ConfigurableResource[CandleCatalog]):
    """Stored candles under DATA_ROOT."""

    def create_resource(self, context: dg.InitResourceContext) -> CandleCatalog:  # noqa: ARG002 -- Dagster passes it
        """Return the catalog of stored candles."""
        return open_catalog(load_settings())


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """Object store of results and op outputs."""

    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        """Return the object store; outside a run, as in a sensor, its timeouts are short."""
        return open_store(load_settings(), SLOW_TIMEOUTS if context.run else FAST_TIMEOUTS)


class StrategyRegistryResource(dg.ConfigurableResource[StrategyRegistry]):
    """Registered strategies, including those of COIN_STRATEGY_FILES."""

    def create_resource(self, context: dg.InitResourceContext) -> StrategyRegistry:  # noqa: ARG002 -- Dagster passes it
        """Return the strategies that a run may name."""
        return load_registry(load_settings().coin_strategy_files)


class OutboxResource(dg.ConfigurableResource[Session]):
    """Database session on the outbox of alerts."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Session]:  # noqa: ARG002 -- same
        """Yield the session, and close it on exit."""
        with closing(Session(database_url(load_settings()))) as session:
            yield session


class RunStackResource(dg.ConfigurableResource[ExitStack]):
    """Stack of contexts that ops open and the end of the run closes."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[ExitStack]:  # noqa: ARG002 -- same
        """Yield the stack, and close what is on it on exit."""
        with ExitStack() as stack:
            yield stack
