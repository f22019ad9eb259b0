"""Commands that run backtests, and the strategies they can run."""

import gc
import json
import os
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.cli import options
from coin_pipeline.errors import InvalidSpec, Problem

if TYPE_CHECKING:
    from coin_pipeline.backtest.spec import BacktestSpec
    from coin_pipeline.settings import Settings

_RARE_COLLECTIONS = 50_000, 20, 50
"""Thresholds of the garbage collector, which would otherwise traverse the loaded code again and again."""
DEMO_SYMBOL, DEMO_SEED = "DEMO_KRW", 20
DEMO_START, DEMO_END = date(2023, 1, 1), date(2024, 12, 31)


@click.command()
def demo() -> None:
    """Run a backtest on synthetic candles, offline, and show its result.

    The candles of DEMO_KRW are generated and identical on every machine. Nothing else under DATA_ROOT changes.
    """
    from coin_pipeline.cli.views.result import print_result

    settings = read_settings()
    _store_demo_candles(settings)
    began = time.perf_counter()
    spec = resolve_spec(
        settings,
        {
            "strategy": "volume_zone_breakout",
            "symbols": [DEMO_SYMBOL],
            "start_date": DEMO_START,
            "end_date": DEMO_END,
            "warm_up": "none",  # its candles begin with the range
        },
    )
    run_id = run_backtest(settings, spec)
    print_result(settings, run_id, draw=True)
    seconds = time.perf_counter() - began
    click.echo(f"\nDone in {seconds:.1f} s, as a recorded Dagster run on synthetic candles. Next steps:")
    coin = _command_as_typed()
    for command, purpose in (
        (f"{coin} up", "serve the API and the Dagster UI, where this run is listed"),
        (f"{coin} candles get BTC_KRW --from 2024-01-01", "fetch real candles from Upbit (no API key needed)"),
        (f"{coin} candles import FILE --symbol BTC_KRW --timeframe 1d --tz UTC", "or import your own"),
        (f"{coin} backtest volume_long_candle BTC_KRW --start 2024-01-01 --end 2024-12-31", "backtest on them"),
    ):
        click.echo(f"  {command}\n      {purpose}")


def _store_demo_candles(settings: "Settings") -> None:
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.synthetic import synthetic_candles
    from coin_pipeline.candles.timeframe import parse_timeframe

    days = (DEMO_END - DEMO_START).days + 1
    daily = parse_timeframe("1d")
    open_catalog(settings).merge(DEMO_SYMBOL, daily, synthetic_candles(DEMO_SEED, daily, DEMO_START, days))


def _command_as_typed() -> str:
    """Return how to call this program from the shell: by name if it is on the PATH, else by relative path."""
    program = Path(sys.argv[0])
    return program.name if shutil.which(program.name) == str(program) else os.path.relpath(program)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="[STRATEGY] SYMBOL...")
@click.option("--preset", metavar="NAME", help="Take STRATEGY and parameters from a preset; --param changes some.")
@options.request_options(BacktestRequest, "strategy", "symbols")
@click.option("--fresh", is_flag=True, help="Run even if the result of an identical backtest is stored.")
@click.option(
    "--in-process",
    is_flag=True,
    expose_value=False,
    help="Run in this process even if 'coin up' serves the same DATA_ROOT.",
)
@options.strategy_files
@options.as_json
def backtest(
    names: tuple[str, ...],
    preset: str | None,
    params: tuple[str, ...],
    strategy_files: tuple[Path, ...],
    *,
    fresh: bool,
    as_json: bool,
    **request_fields: object,
) -> None:
    """Run STRATEGY on one or more SYMBOLs as a Dagster job and show the result.

    If the result of an identical backtest (same spec, candles, code and versions) is stored, that result is shown
    and marked as reused.

    While 'coin up' serves the same DATA_ROOT, its worker pool runs the command, which spares it loading the code.

    \b
    coin backtest volume_zone_breakout BTC_KRW --start 2024-01-01 --end 2024-12-31
    coin backtest volume_long_candle BTC_KRW ETH_KRW --start 2024-01-01 --end 2024-12-31 --param vol_multiplier=2
    coin backtest --preset balanced BTC_KRW --start 2024-01-01 --end 2024-12-31
    """
    settings = read_settings(strategy_files)
    _prepare_run(settings)
    fields = {**_strategy_fields(settings, names, preset, parse_params(params)), **request_fields}
    spec = resolve_spec(settings, fields)
    reused = None if fresh else _reuse(settings, spec)
    run_id = reused or run_backtest(settings, spec)
    if as_json:
        from coin_pipeline.results.store import read_result, with_reused_from
        from coin_pipeline.storage.open_store import open_store

        click.echo(with_reused_from(read_result(open_store(settings), run_id), reused))
    else:
        from coin_pipeline.cli.views.result import print_result

        print_result(settings, run_id, reused=reused is not None)


@click.command()
@options.strategy_files
def strategies(strategy_files: tuple[Path, ...]) -> None:
    """List the available strategies and their parameters."""
    from coin_pipeline.cli.views.strategies import print_strategies
    from coin_pipeline.strategies.registry import load_registry

    print_strategies(load_registry(read_settings(strategy_files).coin_strategy_files))


def read_settings(strategy_files: tuple[Path, ...] = ()) -> "Settings":
    """Return the settings with additional strategy files."""
    from coin_pipeline.settings import export_strategy_files, load_settings

    export_strategy_files(strategy_files)
    return load_settings()


def _strategy_fields(
    settings: "Settings", names: tuple[str, ...], preset: str | None, params: dict[str, Any]
) -> dict[str, Any]:
    """Return the strategy, symbols and params of a request: with a preset, all names are symbols."""
    if preset is None:
        return {"strategy": names[0], "symbols": names[1:], "params": params}
    from coin_pipeline.cli.database import open_presets

    with open_presets(settings) as store:
        stored = store.get(preset)
    return {"strategy": stored.strategy, "symbols": names, "params": {**stored.params, **params}}


def _prepare_run(settings: "Settings") -> None:
    """Shorten the start of a run in this process: most of its time is that of loading code and of the database."""
    from coin_pipeline.database.url import start_early

    start_early(settings)
    gc.set_threshold(*_RARE_COLLECTIONS)
    from coin_pipeline.strategies.entry_points import installed_strategies

    if not settings.coin_strategy_files and not installed_strategies():
        from coin_pipeline.cli.unused_packages import leave_unloaded

        leave_unloaded()


def resolve_spec(settings: "Settings", fields: dict[str, Any]) -> "BacktestSpec":
    """Validate a request as far as possible before a run is recorded.

    Args:
        settings: Where candles and strategy files are.
        fields: Fields of a backtest request.

    Returns:
        The spec to run.

    Raises:
        InvalidSpec: A field is invalid.
        UnknownStrategy: No strategy has this name.
        CandlesNotFound: A symbol has no candles in the range.
        InsufficientCoverage: A symbol has too few candles in the range.
        ResultTooLarge: The run would need too much memory or disk space.
    """
    from coin_pipeline.backtest.limits import RunLimits, require_room
    from coin_pipeline.backtest.preflight import require_candles
    from coin_pipeline.backtest.request import parse_request
    from coin_pipeline.backtest.spec import resolve
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry

    spec = resolve(parse_request(fields), load_registry(settings.coin_strategy_files))
    candles = require_candles(open_catalog(settings), spec)
    require_room(spec, candles, RunLimits.of(None, open_store(settings)))
    return spec


def run_backtest(settings: "Settings", spec: "BacktestSpec") -> str:
    """Run the job in this process with a progress bar; return the run id."""
    from coin_pipeline.cli.views.progress import backtest_progress

    with backtest_progress(len(spec.symbols)) as bar:
        # Importing Dagster takes one to two seconds: show the bar first.
        from coin_pipeline.defs.in_process import run_in_process
        from coin_pipeline.defs.run_requests import backtest_submission

        return run_in_process(settings, backtest_submission(spec, "results"), bar.on_event)


def _reuse(settings: "Settings", spec: "BacktestSpec") -> str | None:
    """Return the run id of the stored result of an identical backtest, now listed as the newest; None without one."""
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.results.reuse import find_reusable, record_reuse
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry

    registry = load_registry(settings.coin_strategy_files)
    stored = find_reusable(open_store(settings), open_catalog(settings), registry, spec)
    if not stored:
        return None
    from contextlib import closing

    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.session import Session
    from coin_pipeline.results.index import ResultIndex

    with closing(Session(ready_database(settings))) as session:
        record_reuse(ResultIndex(session), stored.run_id)
    return stored.run_id


def parse_params(params: tuple[str, ...]) -> dict[str, Any]:
    """Parse NAME=VALUE pairs; a value that is not JSON is taken as text.

    Raises:
        InvalidSpec: A pair lacks a name or an equals sign.

    >>> parse_params(("window=20", "mode=fast"))
    {'window': 20, 'mode': 'fast'}
    """
    parsed: dict[str, Any] = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidSpec([Problem("params", f"{pair!r} is not NAME=VALUE")])
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed
