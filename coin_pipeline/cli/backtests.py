"""Running backtests and reading results."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.cli import options
from coin_pipeline.errors import InvalidSpec, Problem

if TYPE_CHECKING:
    from coin_pipeline.backtest.spec import BacktestSpec
    from coin_pipeline.settings import Settings

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("strategy")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--start", required=True, type=_DAY, help="First day, Asia/Seoul.")
@click.option("--end", required=True, type=_DAY, help="Last day, included.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A strategy's parameter; may be repeated.")
@click.option("--timeframe", default="1d", show_default=True, help="1m 3m 5m 10m 15m 30m 1h 4h 1d 1w")
@click.option("--fill", default="next_open", show_default=True, help="next_open, or signal_close (event study).")
@click.option("--fee-rate", default=0.001, show_default=True, help="Share of the traded value, each leg.")
@click.option("--slippage-rate", default=0.0002, show_default=True, help="Share of the price, each leg.")
@options.strategy_files
@options.as_json
def backtest(
    strategy: str,
    symbols: tuple[str, ...],
    start: datetime,
    end: datetime,
    params: tuple[str, ...],
    strategy_files: tuple[Path, ...],
    *,
    as_json: bool,
    **rest: object,
) -> None:
    """Run STRATEGY on one or more SYMBOLs as a Dagster job and show the result.

    \b
    coin backtest volume_zone_breakout BTC_KRW --start 2024-01-01 --end 2024-12-31
    coin backtest volume_long_candle BTC_KRW ETH_KRW --start 2024-01-01 --end 2024-12-31 --param vol_multiplier=2
    """
    from coin_pipeline.cli.summary import print_result

    fields = {
        "strategy": strategy,
        "params": _parsed(params),
        "symbols": symbols,
        "start_date": start.date(),
        "end_date": end.date(),
        **rest,
    }
    settings = settings_with(strategy_files)
    run_id = run_backtest(settings, resolved(settings, fields))
    if as_json:
        click.echo(_document(settings, run_id))
    else:
        print_result(settings, run_id)


@click.group()
def results() -> None:
    """Results that are stored under DATA_ROOT."""


@results.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Newest first.")
def list_results(limit: int) -> None:
    """List stored results, newest first."""
    from coin_pipeline.cli.summary import print_history

    print_history(settings_with(()), limit)


@results.command("show")
@click.argument("run_id")
@options.as_json
def show_result(run_id: str, *, as_json: bool) -> None:
    """Show the result of RUN_ID."""
    from coin_pipeline.cli.summary import print_result

    settings = settings_with(())
    if as_json:
        click.echo(_document(settings, run_id))
    else:
        print_result(settings, run_id)


@click.command()
@options.strategy_files
def strategies(strategy_files: tuple[Path, ...]) -> None:
    """List the strategies that can be run, with their params."""
    from coin_pipeline.cli.summary import print_strategies
    from coin_pipeline.strategies.registry import load_registry

    print_strategies(load_registry(settings_with(strategy_files).coin_strategy_files))


def settings_with(strategy_files: tuple[Path, ...]) -> "Settings":
    """Read the settings, with these strategy files in addition."""
    from coin_pipeline.settings import export_strategy_files, load_settings

    export_strategy_files(strategy_files)
    return load_settings()


def resolved(settings: "Settings", fields: dict[str, Any]) -> "BacktestSpec":
    """Check everything that can be checked before a run is recorded."""
    from coin_pipeline.backtest.runner import require_candles
    from coin_pipeline.backtest.spec import parse_request, resolve
    from coin_pipeline.market.catalog import CandleCatalog
    from coin_pipeline.strategies.registry import load_registry

    spec = resolve(parse_request(fields), load_registry(settings.coin_strategy_files))
    require_candles(CandleCatalog(settings.data_root), spec)
    return spec


def run_backtest(settings: "Settings", spec: "BacktestSpec") -> str:
    """Run the job in this process, with a progress bar; return the run id."""
    from coin_pipeline.cli.progress import progress

    with progress("starting Dagster", len(spec.symbols)) as bar:
        # Dagster takes a second or two to import.
        from coin_pipeline.defs.local import run_here

        return run_here(settings, spec, "results", bar.step)


def _document(settings: "Settings", run_id: str) -> str:
    from coin_pipeline.backtest.results import read_result
    from coin_pipeline.storage.local import LocalStore

    return read_result(LocalStore(settings.data_root), run_id).decode()


def _parsed(params: tuple[str, ...]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value that is no JSON is text."""
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
