"""Which PostgreSQL this process uses."""

from functools import cache
from pathlib import Path

from coin_pipeline.database.embedded import EmbeddedPostgres, Lease
from coin_pipeline.settings import Settings


def database_url(settings: Settings) -> str:
    """Return the URL of DATABASE_URL's server, or of the embedded one, which then runs as long as this process.

    Raises:
        DatabaseUnavailable: the embedded server cannot be started.
    """
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return _lease_for_life(settings.data_root / "postgres").url


@cache
def _lease_for_life(home: Path) -> Lease:
    """Hold one lease per process; the kernel drops it when the process ends, however it ends."""
    return EmbeddedPostgres(home).lease()
