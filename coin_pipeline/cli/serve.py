"""Bringing the platform up, and the demo."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings

DEMO_SYMBOL, DEMO_SEED = "DEMO_KRW", 20
DEMO_START, DEMO_END = date(2023, 1, 1), date(2024, 12, 31)
START_TIMEOUT_S = 90
GRACE_S = 3


@click.command()
def demo() -> None:
    """Run a backtest on made-up candles, offline, and show what comes out.

    The candles of DEMO_KRW are generated, the same on every machine; nothing else under DATA_ROOT is touched.
    """
    from coin_pipeline.cli.backtests import resolved, run_backtest, settings_with
    from coin_pipeline.cli.views.backtest import print_result

    settings = settings_with(())
    _store_demo_candles(settings)
    began = time.perf_counter()
    spec = resolved(
        settings,
        {
            "strategy": "volume_zone_breakout",
            "symbols": [DEMO_SYMBOL],
            "start_date": DEMO_START,
            "end_date": DEMO_END,
        },
    )
    run_id = run_backtest(settings, spec)
    print_result(settings, run_id)
    click.echo(f"\nDone in {time.perf_counter() - began:.1f} s, as a recorded Dagster run on generated candles. Next:")
    coin = _typed_as()
    for command, what in (
        (f"{coin} up", "serve the API and the Dagster UI, with this run in it"),
        (f"{coin} candles get BTC_KRW --from 2024-01-01", "collect real candles from Upbit; no key is needed"),
        (f"{coin} candles import FILE --symbol BTC_KRW --timeframe 1d --tz UTC", "or bring your own"),
        (f"{coin} backtest volume_long_candle BTC_KRW --start 2024-01-01 --end 2024-12-31", "test on them"),
    ):
        click.echo(f"  {command}\n      {what}")


@click.command()
@click.option("--api-port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--ui-port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@options.strategy_files
def up(api_port: int, ui_port: int, strategy_files: tuple[Path, ...]) -> None:
    """Serve the API and the Dagster UI on this machine; Ctrl-C stops all.

    Starts the database, Dagster's code server, daemon and webserver, and the API, all on loopback. One that dies is
    started again, which is told; one that does not stay up ends all, with the end of its log.
    """
    from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
    from coin_pipeline.cli.backtests import settings_with
    from coin_pipeline.cli.supervisor import (
        LOOPBACK,
        ProcessSupervisor,
        find_free_port,
        lock_data_root,
        require_free_ports,
    )
    from coin_pipeline.database.url import release_database
    from coin_pipeline.settings import child_environment, ignored_setting_notices
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store
    from coin_pipeline.storage.probe import check_writable
    from coin_pipeline.strategies.registry import load_registry

    settings = settings_with(strategy_files)
    load_registry(settings.coin_strategy_files)  # a broken strategy file is told now, not by each program's log
    resolve_refresh(RefreshRequest(), settings)  # and so is a market that is none
    require_free_ports([("--api-port", api_port), ("--ui-port", ui_port)])
    unready = check_writable(open_store(settings, FAST_TIMEOUTS))  # a bucket that refuses is told now, not by each run
    for notice in (*ignored_setting_notices(), *([unready] if unready else [])):
        click.secho(notice, fg="yellow", err=True)
    stopping = _stop_on_signals()
    alone = lock_data_root(settings.data_root)
    settings = settings.model_copy(
        update={
            "dagster_ui_url": f"http://{LOOPBACK}:{ui_port}",
            "coin_code_server": f"{LOOPBACK}:{find_free_port()}",
        }
    )
    _announce("starting the database")
    from coin_pipeline.orchestration.instance import open_instance

    with (
        open_instance(settings),
        ProcessSupervisor(settings.data_root / "logs", child_environment(settings), stopping) as services,
    ):
        _announce("starting Dagster and the API")
        for program in _programs(settings, api_port, ui_port):
            services.start(*program)
        services.wait_for(f"http://{LOOPBACK}:{api_port}/health", START_TIMEOUT_S)
        services.wait_for(f"{settings.dagster_ui_url}/server_info", START_TIMEOUT_S)
        if not stopping.is_set():
            click.echo(f"API         http://{LOOPBACK}:{api_port}/\nDagster UI  {settings.dagster_ui_url}/")
            click.echo(f"Logs        {settings.data_root / 'logs'}\nCtrl-C stops all.")
        with _indexing(settings):
            services.watch()
        _announce("stopping")
    release_database(settings)
    alone.close()
    click.echo("stopped")


@contextmanager
def _indexing(settings: "Settings") -> Iterator[None]:
    """Bring results that were copied here into the index while all is served; what is wrong is told, and ends nothing.

    It is a process of its own, since no thread of ours may run while programs are started again.
    """
    from coin_pipeline.settings import child_environment

    command = [sys.executable, "-m", "coin_pipeline.cli", "results", "reindex"]
    process = subprocess.Popen(  # noqa: S603 -- our own module
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=child_environment(settings),
        start_new_session=True,  # Ctrl-C is for us
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _programs(settings: "Settings", api_port: int, ui_port: int) -> list[tuple[str, ...]]:
    """Return name, module and arguments of each program: one code server that the others share comes first."""
    from coin_pipeline.cli.supervisor import LOOPBACK
    from coin_pipeline.orchestration.instance import LOCATION, write_workspace

    pool = [("pool", "coin_pipeline.orchestration.worker_pool")] if settings.coin_launcher == "warm" else []
    workspace = str(write_workspace(settings))
    code_port = settings.coin_code_server.rsplit(":", 1)[1]
    code = ("--host", LOOPBACK, "--port", code_port, "--location-name", LOCATION, "-m", "coin_pipeline.definitions")
    api = ("--factory", "--host", LOOPBACK, "--port", str(api_port), "--log-level", "warning")
    return [
        *pool,
        ("code-server", "dagster", "api", "grpc", *code),
        ("daemon", "coin_pipeline.orchestration.daemon", "-w", workspace),
        ("webserver", "dagster_webserver", "-h", LOOPBACK, "-p", str(ui_port), "-w", workspace),
        # Open streams of events must not hold up the stop.
        ("api", "uvicorn", "coin_api.app:from_environment", *api, "--timeout-graceful-shutdown", str(GRACE_S)),
    ]


def _typed_as() -> str:
    """Return how a person types this program: its name if the shell finds it, else its path from here."""
    program = Path(sys.argv[0])
    return program.name if shutil.which(program.name) == str(program) else os.path.relpath(program)


def _store_demo_candles(settings: "Settings") -> None:
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.synthetic import synthetic_candles
    from coin_pipeline.candles.timeframe import parse_timeframe

    days = (DEMO_END - DEMO_START).days + 1
    daily = parse_timeframe("1d")
    CandleCatalog(settings.data_root).merge(DEMO_SYMBOL, daily, synthetic_candles(DEMO_SEED, daily, DEMO_START, days))


def _stop_on_signals() -> threading.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP set, so that every way out is an orderly one."""
    stopping = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: stopping.set())
    return stopping


def _announce(what: str) -> None:
    click.secho(f"{what} ...", dim=True, err=True)
