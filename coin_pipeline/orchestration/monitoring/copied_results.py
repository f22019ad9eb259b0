"""Lists results that were copied into the object store, or removed from it, while no platform served it."""

import logging
from contextlib import closing

from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import CoinError
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.reindex import reindex
from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import open_store

_log = logging.getLogger("coin.reindex")


def index_copied_results(settings: Settings) -> None:
    """Bring the index in line with the stored results, and log what changed; an outage is logged and not retried."""
    try:
        with closing(Session(database_url(settings))) as session:
            rebuild = reindex(open_store(settings), ResultIndex(session))
    except CoinError as error:
        _log.warning("results that were copied in are not listed until 'coin results reindex': %s", error)
        return
    if rebuild.added or rebuild.removed:
        _log.info("results: %d read, %d no longer stored", rebuild.added, rebuild.removed)
    if rebuild.broken:
        number, first = len(rebuild.broken), rebuild.broken[0]
        _log.warning("%d not listed ('coin results reindex' prints them); the first: %s", number, first)
