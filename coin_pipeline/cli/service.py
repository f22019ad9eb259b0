"""The `coin serve` command: one process of the platform in the foreground, for containers and systemd."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings

SERVICES = ("init", "code", "daemon", "ui", "api", "pool")
PROGRAMS = {"code": "code-server", "daemon": "daemon", "ui": "webserver", "api": "api", "pool": "pool"}
"""The program of `coin up` that each service runs."""
PORTS = {"api": 8000, "ui": 3000}
_NEED_CODE_SERVER = {"daemon", "ui"}
POLL_S = 1.0
INIT_TIMEOUT_S = 180
"""How long `coin serve init` waits for the database and the object store."""

DRAIN_S = 570
"""How long a stopped pool waits for its runs; less than the time after which Docker or systemd kills it."""


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the api (default 8000) or of the ui (3000).")
@click.option("--check", is_flag=True, help="Only ask the running service whether it responds; exits with 1 if not.")
@click.option("--data-root", envvar="DATA_ROOT", default="data", type=Path, hidden=True)
@click.option("--database-url", envvar="DATABASE_URL", default="", hidden=True)
@click.option("--bind", envvar="COIN_BIND", default="127.0.0.1", hidden=True)
@options.strategy_files
def serve(
    service: str,
    port: int | None,
    *,
    check: bool,
    data_root: Path,
    database_url: str,
    bind: str,
    strategy_files: tuple[Path, ...],
) -> None:
    """Run one SERVICE of the platform in the foreground, for containers and systemd.

    SERVICE is init (creates the database, its tables, the bucket and Dagster's home, and exits), code (Dagster's code
    server), daemon (Dagster's daemon: queue, schedules, sensors, alerts), ui (the Dagster UI), api (the API) or pool
    (the worker pool, which runs the backtests).

    Each service waits for what it needs, logs to standard output and stops on SIGTERM. All of them share DATA_ROOT,
    on one host, and DATABASE_URL. To run everything with one command, use 'coin up'.
    """
    if check:
        from coin_pipeline.cli.service_check import is_serving

        sys.exit(not is_serving(service, port or PORTS.get(service, 0), data_root, database_url, bind))
    from coin_pipeline.cli.backtests import read_settings

    settings = _service_settings(read_settings(strategy_files))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container ignores it by default
    if service == "init":
        initialize(settings)
    else:
        _run(service, settings, port or PORTS.get(service, 0))


def initialize(settings: "Settings") -> None:
    """Create what the services need; running it again, or twice at once, changes nothing."""
    from coin_pipeline.cli.serve import check_settings, keep_private
    from coin_pipeline.database.creation import ensure_database
    from coin_pipeline.database.schema import head
    from coin_pipeline.database.url import database_url
    from coin_pipeline.errors import DatabaseUnavailable, StorageUnavailable
    from coin_pipeline.orchestration.instance import prepare_home, write_workspace
    from coin_pipeline.orchestration.storage import set_up

    check_settings(settings)
    keep_private(settings)
    url, deadline = database_url(settings), time.monotonic() + INIT_TIMEOUT_S
    created = _retry(lambda: ensure_database(url), DatabaseUnavailable, deadline)
    set_up(url)
    click.echo(f"database: {'created; ' if created else ''}its tables have revision {head()}")
    click.echo(f"Dagster: {prepare_home(settings)}, {write_workspace(settings)}")
    _retry(lambda: _prepare_storage(settings), StorageUnavailable, deadline)
    click.echo("ready")


def _prepare_storage(settings: "Settings") -> None:
    """Create and configure the bucket, as far as the credentials permit, and check that results can be stored."""
    from coin_pipeline.errors import StorageForbidden
    from coin_pipeline.storage.bucket import Bucket
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, new_client, open_store
    from coin_pipeline.storage.probe import check_writable

    if settings.aws_bucket_name:
        bucket = Bucket(new_client(settings, FAST_TIMEOUTS), settings.aws_bucket_name)
        try:
            for line in bucket.set_up(versioning=False):
                click.echo(f"storage: {line}")
        except StorageForbidden:
            click.echo("storage: the bucket was not configured; an administrator's 'coin storage init' does so")
    if notice := check_writable(open_store(settings, FAST_TIMEOUTS)):
        click.echo(f"storage: {notice}", err=True)


def _service_settings(settings: "Settings") -> "Settings":
    """Return the settings of a service.

    Raises:
        InvalidSettings: There is no DATABASE_URL: the embedded server belongs to the processes of one `coin up`.
    """
    from coin_pipeline.errors import InvalidSettings, Problem

    if settings.database_url is None:
        reason = "is not set, and 'coin serve' needs an external PostgreSQL; 'coin up' runs an embedded one"
        raise InvalidSettings([Problem("DATABASE_URL", reason)])
    return settings


def _run(service: str, settings: "Settings", port: int) -> NoReturn:
    """Wait for what a service needs, then become its process, which receives signals directly."""
    from coin_pipeline.cli.serve import keep_private, program_commands
    from coin_pipeline.orchestration.worker_pool.lock import announce_pool, pool_home
    from coin_pipeline.settings import child_environment
    from coin_pipeline.storage.data_root_lock import join_data_root

    keep_private(settings)
    join_data_root(settings.data_root)
    if service == "pool" and pool_home().is_dir():
        announce_pool(pool_home())
    _wait_until_clear(lambda: _obstacle(service, settings))
    module, *arguments = program_commands(settings, api_port=port, ui_port=port)[PROGRAMS[service]]
    if service == "pool":
        arguments += ["--drain-seconds", str(DRAIN_S)]
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], child_environment(settings))  # noqa: S606


def _obstacle(service: str, settings: "Settings") -> str | None:
    """Return what a service still has to wait for.

    Raises:
        UnknownRevision: A newer version of the platform has upgraded the database.
    """
    from coin_pipeline.cli.service_check import is_serving
    from coin_pipeline.database.schema import is_current
    from coin_pipeline.database.url import database_url
    from coin_pipeline.errors import DatabaseUnavailable
    from coin_pipeline.orchestration.instance import workspace_path

    try:
        if not is_current(database_url(settings)) or not workspace_path(settings).is_file():
            return "'coin serve init', which creates the tables of this version and Dagster's home"
    except DatabaseUnavailable as error:
        return f"the database: {error.reason}"
    if service in {"api", "ui"} and (reason := _missing_token(settings)):
        return reason
    if service in _NEED_CODE_SERVER and not is_serving("code", 0, settings.data_root, ""):
        return "the code server, 'coin serve code'"
    return None


def _missing_token(settings: "Settings") -> str | None:
    from coin_pipeline.auth.access import require_reachable
    from coin_pipeline.database.url import database_url
    from coin_pipeline.errors import InvalidSettings

    try:
        require_reachable(settings, database_url(settings))
    except InvalidSettings as error:
        return f"a token: {error}"
    return None


def _wait_until_clear(obstacle: Callable[[], str | None]) -> None:
    """Wait until there is no obstacle; print each one once."""
    printed = None
    while reason := obstacle():
        if reason != printed:
            click.echo(f"waiting for {reason}", err=True)
        printed = reason
        time.sleep(POLL_S)


def _retry(work: Callable[[], bool | None], unavailable: type[Exception], deadline: float) -> bool | None:
    """Return what `work` returns once its server is available; raise its last error at the deadline."""
    printed = ""
    while True:
        try:
            return work()
        except unavailable as error:
            if time.monotonic() > deadline:
                raise
            if str(error) != printed:
                click.echo(f"waiting: {error}", err=True)
            printed = str(error)
            time.sleep(POLL_S)
