"""The URL of the PostgreSQL server that this process uses."""

from pathlib import Path

from coin_pipeline.database.embedded.server import EarlyStart, EmbeddedPostgres, ServerLease
from coin_pipeline.settings import Settings

STOP_TIMEOUT_S = 5.0
_leases: dict[Path, ServerLease] = {}
_early: dict[Path, EarlyStart] = {}


def database_url(settings: Settings) -> str:
    """Return DATABASE_URL, or the URL of the embedded server, which then runs at least as long as this process.

    Raises:
        DatabaseUnavailable: The embedded server cannot be started.
    """
    if settings.database_url:
        return settings.database_url.get_secret_value()
    home = _home(settings)
    if home not in _leases:  # kept until the process ends; the kernel then releases it
        _leases[home] = EmbeddedPostgres(home).lease()
        if early := _early.pop(home, None):
            early.close()
    return _leases[home].url


def start_early(settings: Settings) -> None:
    """Start the embedded server, if its cluster exists, without waiting for it: this process will soon need its URL."""
    if not settings.database_url and (early := EmbeddedPostgres(_home(settings)).start_early()):
        _early[_home(settings)] = early


def running_database_url(settings: Settings) -> str | None:
    """Return DATABASE_URL, or the URL of the embedded server; None if that does not run. Nothing is started."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return EmbeddedPostgres(_home(settings)).running_url()


def release_database(settings: Settings) -> None:
    """Release this process's lease early and wait until the embedded server stops, unless other programs use it."""
    lease = _leases.pop(_home(settings), None)
    if lease:
        lease.close()
        EmbeddedPostgres(_home(settings)).wait_until_stopped(STOP_TIMEOUT_S)


def forget_leases() -> None:
    """Forget the leases that a fork has inherited and whose descriptors it has closed; it takes its own."""
    _leases.clear()
    _early.clear()


def _home(settings: Settings) -> Path:
    return settings.data_root / "postgres"
