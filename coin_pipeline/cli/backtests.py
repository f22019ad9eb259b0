"""Running backtests and reading results."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.cli import options
from coin_pipeline.errors import Conflict, InvalidInput, InvalidSpec, NotFound, Problem

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
@options.trading
@click.option("--max-positions", type=int, help="Trade all symbols from one cash account, so many at a time.")
@click.option("--fresh", is_flag=True, help="Run even where the result of an identical backtest is stored.")
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
    fresh: bool,
    as_json: bool,
    **rest: object,
) -> None:
    """Run STRATEGY on one or more SYMBOLs as a Dagster job and show the result.

    If spec, candles, code and versions are those of a stored result, that one is shown, and said to be reused.

    \b
    coin backtest volume_zone_breakout BTC_KRW --start 2024-01-01 --end 2024-12-31
    coin backtest volume_long_candle BTC_KRW ETH_KRW --start 2024-01-01 --end 2024-12-31 --param vol_multiplier=2
    """
    from coin_pipeline.cli.views.backtest import print_result
    from coin_pipeline.results.store import with_reused_from

    fields = {
        "strategy": strategy,
        "params": parsed_params(params),
        "symbols": symbols,
        "start_date": start.date(),
        "end_date": end.date(),
        **rest,
    }
    settings = settings_with(strategy_files)
    spec = resolved(settings, fields)
    reused = None if fresh else _reusable(settings, spec)
    run_id = reused or run_backtest(settings, spec)
    if as_json:
        click.echo(with_reused_from(_document(settings, run_id), reused))
    else:
        print_result(settings, run_id, reused=reused is not None)


@click.group()
def results() -> None:
    """Stored results: list, show, verify and pin them."""


@results.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Newest first.")
@options.filters
def list_results(limit: int, date_from: datetime | None, date_to: datetime | None, **bounds: Any) -> None:  # noqa: ANN401 -- one for each option
    """List stored results, newest first, those that somebody has just copied there as well."""
    from coin_pipeline.cli.history import print_history
    from coin_pipeline.results.index import Filters

    filters = Filters(kind=None, date_from=date_from and date_from.date(), date_to=date_to and date_to.date(), **bounds)
    print_history(settings_with(()), filters, limit)


@results.command("reindex")
@click.option("--all", "everything", is_flag=True, help="Read every document again, not only those that are new.")
def reindex_results(*, everything: bool) -> None:
    """Make the index, from which lists are answered, equal to the stored results."""
    from coin_pipeline.cli.history import print_rebuild

    print_rebuild(settings_with(()), everything=everything)


@results.command("show")
@click.argument("run_id")
@options.as_json
def show_result(run_id: str, *, as_json: bool) -> None:
    """Show the result of RUN_ID."""
    from coin_pipeline.cli.views.backtest import print_result

    settings = settings_with(())
    if as_json:
        click.echo(_document(settings, run_id))
    else:
        print_result(settings, run_id)


@results.command("verify")
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID...]")
def verify_results(run_ids: tuple[str, ...]) -> None:
    """Read every object of every result, or of these, and compare it with the digests that were stored with it.

    Exits with 1 if one is changed, cut short or gone; each is named.
    """
    from coin_pipeline.cli.views.backtest import print_verdicts
    from coin_pipeline.cli.views.progress import counting
    from coin_pipeline.results.verify import verify_results
    from coin_pipeline.storage.open_store import open_store

    settings = settings_with(())
    with counting("verifying results") as counted:
        verdicts = [*counted(verify_results(open_store(settings), run_ids))]
    if not print_verdicts(verdicts):
        sys.exit(1)


@results.command("pin")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN_ID...")
def pin_results(run_ids: tuple[str, ...]) -> None:
    """Keep tasks that have ended, with their runs, until they are unpinned; exits with 1 if one cannot be."""
    from coin_pipeline.results.pins import pin
    from coin_pipeline.results.store import result_key
    from coin_pipeline.storage.open_store import open_store

    store, refused = open_store(settings_with(())), False
    for run_id in run_ids:
        try:
            if store.exists(result_key("results", run_id)):
                click.echo(f"{run_id} lies in results/ and is kept without a pin")
            else:
                pin(store, run_id)
                click.echo(f"{run_id} is pinned")
        except (NotFound, InvalidInput, Conflict) as error:  # the others are pinned all the same
            click.secho(f"not pinned: {error}", fg="red", err=True)
            refused = True
    if refused:
        sys.exit(1)


@results.command("unpin")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN_ID...")
def unpin_results(run_ids: tuple[str, ...]) -> None:
    """Let tasks expire again."""
    from coin_pipeline.results.pins import unpin
    from coin_pipeline.storage.open_store import open_store

    settings = settings_with(())
    for run_id in run_ids:
        unpin(open_store(settings), run_id)
        click.echo(f"{run_id} expires {settings.task_result_ttl_days} days after its end")


@click.command()
@options.strategy_files
def strategies(strategy_files: tuple[Path, ...]) -> None:
    """List the strategies that can be run, with their params."""
    from coin_pipeline.cli.views.backtest import print_strategies
    from coin_pipeline.strategies.registry import load_registry

    print_strategies(load_registry(settings_with(strategy_files).coin_strategy_files))


def settings_with(strategy_files: tuple[Path, ...]) -> "Settings":
    """Read the settings, with these strategy files in addition."""
    from coin_pipeline.settings import export_strategy_files, load_settings

    export_strategy_files(strategy_files)
    return load_settings()


def resolved(settings: "Settings", fields: dict[str, Any]) -> "BacktestSpec":
    """Check everything that can be checked before a run is recorded."""
    from coin_pipeline.backtest.preflight import require_candles
    from coin_pipeline.backtest.request import parse_request
    from coin_pipeline.backtest.spec import resolve
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.strategies.registry import load_registry

    spec = resolve(parse_request(fields), load_registry(settings.coin_strategy_files))
    require_candles(CandleCatalog(settings.data_root), spec)
    return spec


def run_backtest(settings: "Settings", spec: "BacktestSpec") -> str:
    """Run the job in this process, with a progress bar; return the run id."""
    from coin_pipeline.cli.views.progress import progress

    with progress(len(spec.symbols)) as bar:
        # Dagster takes a second or two to import.
        from coin_pipeline.defs.in_process import run_in_process
        from coin_pipeline.defs.run_requests import backtest_submission

        return run_in_process(settings, backtest_submission(spec, "results"), bar.hear)


def _reusable(settings: "Settings", spec: "BacktestSpec") -> str | None:
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.results.reuse import find_reusable
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry

    root, registry = settings.data_root, load_registry(settings.coin_strategy_files)
    found = find_reusable(open_store(settings), CandleCatalog(root), registry, spec)
    return found and found.run_id


def _document(settings: "Settings", run_id: str) -> bytes:
    from coin_pipeline.results.store import read_result
    from coin_pipeline.storage.open_store import open_store

    return read_result(open_store(settings), run_id)


def parsed_params(params: tuple[str, ...]) -> dict[str, Any]:
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
