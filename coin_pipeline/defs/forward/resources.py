"""Resources of forward tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.url import database_url
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.settings import load_settings


class LedgerResource(dg.ConfigurableResource[Ledger]):
    """Paper positions, in the database of forward tests."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Ledger]:  # noqa: ARG002 -- Dagster passes it
        """Yield the ledger, and close its connections on exit."""
        engine = create_engine(database_url(load_settings()))
        try:
            yield Ledger(engine)
        finally:
            engine.dispose()
