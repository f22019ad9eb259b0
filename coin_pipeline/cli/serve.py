"""The `coin up` command, which serves the whole platform on one machine."""

import os
import signal
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings
    from coin_pipeline.storage.file_lock import FileLock

START_TIMEOUT_S = 180
"""A busy machine that still has to compile the kernels takes more than a minute."""
CODE_SERVER = "code-server"


@click.command()
@click.option("--api-port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the API.")
@click.option(
    "--ui-port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the Dagster UI."
)
@options.strategy_files
def up(api_port: int, ui_port: int, strategy_files: tuple[Path, ...]) -> None:
    """Serve the API and the Dagster UI on this machine until Ctrl-C.

    Starts the database, the worker pool, Dagster's code server, daemon and webserver, and the API, all on loopback. A
    process that dies is restarted with a message; if one does not stay up, all are stopped and the end of its log is
    printed.
    """
    from coin_pipeline.cli.backtests import read_settings
    from coin_pipeline.database.url import release_database, start_early

    settings = read_settings(strategy_files)
    start_early(settings)
    is_preloaded = _check_and_preload(settings, [("--api-port", api_port), ("--ui-port", ui_port)])
    from coin_pipeline.cli.links import public_urls
    from coin_pipeline.orchestration.code_server import private_address
    from coin_pipeline.storage.data_root_lock import PlatformUrls, announce_urls, lock_data_root

    stopping = _stop_on_signals()
    keep_private(settings)
    lock = lock_data_root(settings.data_root)
    with private_address(settings) as address:
        urls = public_urls(settings, PlatformUrls(*(loopback_url(settings, port) for port in (api_port, ui_port))))
        own = {"coin_public_url": urls.api, "dagster_ui_url": urls.ui, "coin_code_server": address}
        settings = settings.model_copy(update=own)
        announce_urls(lock, urls)
        _serve(settings, api_port, ui_port, stopping, lock, is_preloaded=is_preloaded)
    release_database(settings)
    lock.close()
    click.echo("stopped")


def loopback_url(settings: "Settings", port: int) -> str:
    """Return the URL at which this machine reaches a port of the platform."""
    from coin_pipeline.web.exposure import local_address, url_host

    return f"http://{url_host(local_address(settings))}:{port}"


def keep_private(settings: "Settings") -> None:
    """Keep other users away from DATA_ROOT and from what this program and those that it starts write there."""
    from coin_pipeline.storage.access import private_umask, restrict_access
    from coin_pipeline.storage.atomic import translate_os_errors

    with translate_os_errors(settings.data_root):
        if notice := restrict_access(settings.data_root):
            click.secho(notice, fg="yellow", err=True)
        os.umask(private_umask(settings.data_root))


def _check_and_preload(settings: "Settings", ports: list[tuple[str, int]]) -> bool:
    """Check the prerequisites; meanwhile load what all programs need, if they can be forks of this process.

    The check runs in a fork, so that the strategy files that it loads are not part of every program: these load them in
    their current state. An error ends the fork as it would end this command, with its message and its exit code.

    Returns:
        Whether programs can be forks of this process.
    """
    from coin_pipeline.cli.programs import CHECK, ForkedProgram, can_fork, preload
    from coin_pipeline.settings import child_environment, set_environment

    if not can_fork():
        _check_prerequisites(settings, ports)
        return False
    set_environment(child_environment(settings))  # libraries read it when they are loaded
    preload(CHECK)
    pid = os.fork()
    if pid == 0:
        _check_prerequisites(settings, ports)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    check = ForkedProgram(pid, CHECK)
    preload(CODE_SERVER, lambda: _exit_if_failed(check.poll()))
    _exit_if_failed(check.wait())
    return True


def _exit_if_failed(code: int | None) -> None:
    if code:
        sys.exit(code)


def _check_prerequisites(settings: "Settings", ports: list[tuple[str, int]]) -> None:
    """Raise CoinError for what would otherwise only appear in the log of each process; print notices."""
    from coin_pipeline.cli.supervisor import require_free_ports
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store
    from coin_pipeline.storage.probe import check_writable

    check_settings(settings)
    require_free_ports(settings.coin_bind, ports)
    if notice := check_writable(open_store(settings, FAST_TIMEOUTS)):
        click.secho(notice, fg="yellow", err=True)


def check_settings(settings: "Settings") -> None:
    """Raise CoinError for a setting that only some process would reject, in its log; print notices."""
    from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
    from coin_pipeline.notifications.channels import channel_notices, open_channels
    from coin_pipeline.settings import ignored_setting_notices
    from coin_pipeline.strategies.registry import load_registry

    load_registry(settings.coin_strategy_files)
    resolve_refresh(RefreshRequest(), settings)
    open_channels(settings)
    for notice in (*ignored_setting_notices(), *channel_notices(settings)):
        click.secho(notice, fg="yellow", err=True)


def _serve(
    settings: "Settings",
    api_port: int,
    ui_port: int,
    stopping: threading.Event,
    lock: "FileLock",
    *,
    is_preloaded: bool,
) -> None:
    """Run all processes until `stopping` is set."""
    from coin_pipeline.cli.programs import preload
    from coin_pipeline.cli.supervisor import ProcessSupervisor
    from coin_pipeline.settings import child_environment
    from coin_pipeline.storage.log_files import LogLimit
    from coin_pipeline.web.exposure import local_address, url_host

    host = url_host(local_address(settings))
    _announce("starting the database")
    from coin_pipeline.auth.access import require_reachable
    from coin_pipeline.database.url import database_url
    from coin_pipeline.orchestration.code_server import code_server_target
    from coin_pipeline.orchestration.instance import open_instance, write_workspace
    from coin_pipeline.orchestration.storage import engine_of
    from coin_pipeline.orchestration.worker_pool.lock import announce_pool, pool_home

    logs, limit = settings.data_root / "logs", LogLimit(settings.coin_log_mib << 20, settings.coin_log_files)
    with (
        open_instance(settings) as instance,
        ProcessSupervisor(
            logs, child_environment(settings), stopping, log_limit=limit, has_preloaded=is_preloaded
        ) as supervisor,
    ):
        engine_of(instance).dispose()  # no connection is shared across a fork
        require_reachable(settings, database_url(settings))
        _announce("starting Dagster and the API")
        socket = Path(str(code_server_target(settings).socket))
        write_workspace(settings)
        commands = program_commands(settings, api_port, ui_port)
        if settings.coin_launcher == "warm":
            announce_pool(pool_home())
        else:
            del commands["pool"]
        for name, (module, *arguments) in commands.items():
            if is_preloaded:
                preload(name)
            supervisor.start(name, module, *arguments, socket=socket if name == CODE_SERVER else None)
        supervisor.wait_for(f"http://{host}:{api_port}/health/ready", START_TIMEOUT_S)
        supervisor.wait_for(f"http://{host}:{ui_port}/server_info", START_TIMEOUT_S)
        if not stopping.is_set():
            click.echo(f"App         http://{host}:{api_port}/app\nAPI         http://{host}:{api_port}/")
            click.echo(f"Dagster UI  {settings.dagster_ui_url}/")
            click.echo(f"Logs        {settings.data_root / 'logs'}\nPress Ctrl-C to stop.")
            _report_pause(settings)
        supervisor.watch(lambda: _restore_files(settings, lock))
        _announce("stopping")


def _report_pause(settings: "Settings") -> None:
    """Print that nothing happens by itself, if the database was restored and not resumed."""
    from coin_pipeline.database.feature_flags import is_paused
    from coin_pipeline.database.session import Session
    from coin_pipeline.database.url import database_url
    from coin_pipeline.errors import DatabaseUnavailable

    with suppress(DatabaseUnavailable), closing(Session(database_url(settings))) as session:
        if is_paused(session):
            click.echo(
                "Schedules, sensors and alerts are stopped since a restore; start them with: coin database resume"
            )


def _restore_files(settings: "Settings", lock: "FileLock") -> None:
    """Create the lock and Dagster's home with its files again if they were deleted.

    Otherwise a process that is restarted would end, or, without dagster.yaml, store everything in another place.
    """
    from coin_pipeline.orchestration.instance import restore_home
    from coin_pipeline.storage.data_root_lock import already_served

    if not lock.restore():
        raise already_served(settings.data_root)
    restore_home(settings)


def program_commands(settings: "Settings", api_port: int, ui_port: int) -> dict[str, tuple[str, ...]]:
    """Return module and arguments of each program by its name; the code server comes before those that use it."""
    from coin_pipeline.orchestration.code_server import LOCATION, code_server_target
    from coin_pipeline.orchestration.instance import workspace_path

    workspace, target = str(workspace_path(settings)), code_server_target(settings)
    address = ("--socket", target.socket) if target.socket else ("--host", target.host, "--port", str(target.port))
    code = ("--location-name", LOCATION, "-m", "coin_pipeline.definitions")
    return {
        CODE_SERVER: ("coin_pipeline.orchestration.code_server", *address, *code),
        "pool": ("coin_pipeline.orchestration.worker_pool",),
        "daemon": ("coin_pipeline.orchestration.daemon", "-w", workspace),
        "webserver": ("coin_pipeline.orchestration.webserver", "-w", workspace, "--port", str(ui_port)),
        "api": ("coin_api", "--port", str(api_port)),
    }


def _stop_on_signals() -> threading.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP set, so that each leads to an orderly shutdown."""
    stopping = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: stopping.set())
    return stopping


def _announce(activity: str) -> None:
    click.secho(f"{activity} ...", dim=True, err=True)
