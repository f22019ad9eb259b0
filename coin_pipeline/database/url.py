"""Which PostgreSQL this process uses."""

from pathlib import Path

from coin_pipeline.database.embedded.server import EmbeddedPostgres, ServerLease
from coin_pipeline.settings import Settings

STOP_S = 5.0
_leases: dict[Path, ServerLease] = {}


def database_url(settings: Settings) -> str:
    """Return the URL of DATABASE_URL's server, or of the embedded one, which then runs as long as this process.

    Raises:
        DatabaseUnavailable: the embedded server cannot be started.
    """
    if settings.database_url:
        return settings.database_url.get_secret_value()
    home = _home(settings)
    if home not in _leases:  # one lease for life: the kernel drops it when the process ends, however it ends
        _leases[home] = EmbeddedPostgres(home).lease()
    return _leases[home].url


def release_database(settings: Settings) -> None:
    """Give this process's lease back early and see the embedded server stop, unless other programs use it."""
    lease = _leases.pop(_home(settings), None)
    if lease:
        lease.close()
        EmbeddedPostgres(_home(settings)).wait_until_stopped(STOP_S)


def _home(settings: Settings) -> Path:
    return settings.data_root / "postgres"
