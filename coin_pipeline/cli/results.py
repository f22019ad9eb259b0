"""Commands on stored results: list, show, verify, pin and replay them."""

import json
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.cli import ids, options
from coin_pipeline.cli.archive import archive
from coin_pipeline.cli.backtests import read_settings
from coin_pipeline.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from coin_pipeline.languages import Language
    from coin_pipeline.results.table_formats import FormatName
    from coin_pipeline.results.tables import TableName


@click.group()
def results() -> None:
    """List, show, verify and pin stored results.

    RUN_ID may be the beginning of an id, if no other id begins with it.
    """


@results.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Maximum number of results.")
@options.filters
def list_results(limit: int, date_from: datetime | None, date_to: datetime | None, **bounds: Any) -> None:  # noqa: ANN401 -- one per filter option
    """List stored results, newest first.

    Includes results that were copied in since the last call.
    """
    from coin_pipeline.cli.views.history import print_history
    from coin_pipeline.results.index import Filters

    filters = Filters(date_from=date_from and date_from.date(), date_to=date_to and date_to.date(), **bounds)
    print_history(read_settings(), filters, limit)


@results.command("reindex")
@click.option("--all", "everything", is_flag=True, help="Read every document again, not only new ones.")
def reindex_results(*, everything: bool) -> None:
    """Update the index that lists are read from."""
    from coin_pipeline.cli.views.history import print_rebuild

    print_rebuild(read_settings(), everything=everything)


@results.command("show")
@ids.run_id
@options.as_json
def show_result(run_id: str, *, as_json: bool) -> None:
    """Show the result of RUN_ID: its figures and warnings, and the equity of a backtest as a curve."""
    from coin_pipeline.cli.views.result import print_result
    from coin_pipeline.results.store import read_result
    from coin_pipeline.storage.open_store import open_store

    settings = read_settings()
    if as_json:
        click.echo(read_result(open_store(settings), run_id))
    else:
        print_result(settings, run_id, draw=True)


@results.command("export")
@ids.run_id
@click.argument("table", type=click.Choice(["signals", "trades", "equity"]))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "json", "parquet", "arrow"]),
    help="Default: that of the suffix of FILE, or csv.",
)
@click.option(
    "--output", metavar="FILE", default="-", show_default="standard output", help="The file; - for standard output."
)
@click.option("--symbol", help="Only rows of this symbol.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def export_table(
    run_id: str, table: "TableName", file_format: "FormatName | None", output: str, symbol: str | None, *, force: bool
) -> None:
    """Write every row of a TABLE of RUN_ID: signals, trades, or the equity per bar.

    Formats are those of the API: CSV, a JSON array, Parquet, or an Arrow stream.

    \b
    coin results export RUN_ID trades --output trades.parquet
    coin results export RUN_ID signals | head
    """
    from coin_pipeline.cli.table_export import choose_format, export_to_file, export_to_stdout
    from coin_pipeline.results.table_filter import RowFilter
    from coin_pipeline.results.tables import open_table
    from coin_pipeline.storage.open_store import open_store

    chosen = choose_format(file_format, output)
    with open_table(open_store(read_settings()), run_id, table) as opened:
        rows = RowFilter(symbol).apply(opened)
        if output == "-":
            export_to_stdout(rows, chosen)
        else:
            export_to_file(rows, chosen, Path(output), force=force)


@results.command("report")
@ids.run_id
@click.option(
    "--output", metavar="FILE", help="The file, by default RUN_ID.html or RUN_ID-SYMBOL.html; - for standard output."
)
@options.language
@click.option("--symbol", help="The only market whose price and trades are shown; all by default.")
@options.strategy_files
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def write_report(
    run_id: str,
    output: str | None,
    language: "Language",
    symbol: str | None,
    strategy_files: tuple[Path, ...],
    *,
    force: bool,
) -> None:
    """Write the report of RUN_ID, one HTML file that needs no network.

    Prices and the levels of the strategy are drawn if the stored candles and its code are still those of the backtest.

    A file has room for the prices of some markets only. It names the others, which --symbol shows.

    \b
    coin results report RUN_ID --output report.html
    coin results report RUN_ID --symbol BTC_KRW
    """
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.cli.output import output_file
    from coin_pipeline.report.stored import read_report
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry

    settings = read_settings(strategy_files)
    store, catalog = open_store(settings), open_catalog(settings)
    strategies = partial(load_registry, settings.coin_strategy_files)
    page = read_report(store, catalog, run_id, language, strategies, user_code=True, symbol=symbol).html.encode()
    if output == "-":
        click.echo(page, nl=False)
        return
    path = Path(output or (f"{run_id}-{symbol}.html" if symbol else f"{run_id}.html"))
    with output_file(path, force=force) as file:
        file.write(page)
    click.echo(f"report written to {path}", err=True)


@results.command("verify")
@ids.run_ids(required=False)
def verify_stored_results(run_ids: tuple[str, ...]) -> None:
    """Verify stored results against their digests.

    Reads every object of the given results, or of all, and compares it with the digest stored with it. Names each
    object that was changed, truncated or deleted, and exits with 1 if there is one.
    """
    from coin_pipeline.cli.views.progress import item_counter
    from coin_pipeline.cli.views.result import print_verification
    from coin_pipeline.results.verify import verify_results
    from coin_pipeline.storage.open_store import open_store

    settings = read_settings()
    with item_counter("verifying results") as counted:
        verified = [*counted(verify_results(open_store(settings), run_ids))]
    if not print_verification(verified):
        sys.exit(1)


@results.command("pin")
@ids.run_ids(required=True)
def pin_results(run_ids: tuple[str, ...]) -> None:
    """Keep finished tasks until they are unpinned.

    Retention then keeps their files and runs. Exits with 1 if a task cannot be pinned.
    """
    from coin_pipeline.results.pins import pin
    from coin_pipeline.results.store import result_key
    from coin_pipeline.storage.open_store import open_store

    store, refused = open_store(read_settings()), False
    for run_id in run_ids:
        try:
            if store.exists(result_key("results", run_id)):
                click.echo(f"{run_id} is in results/, which never expires: no pin needed")
            else:
                pin(store, run_id)
                click.echo(f"{run_id} is pinned")
        except (NotFound, InvalidInput, Conflict) as error:  # pin the others nevertheless
            click.secho(f"not pinned: {error}", fg="red", err=True)
            refused = True
    if refused:
        sys.exit(1)


@results.command("unpin")
@ids.run_ids(required=True)
def unpin_results(run_ids: tuple[str, ...]) -> None:
    """Let pinned tasks expire again."""
    from coin_pipeline.results.pins import unpin
    from coin_pipeline.storage.open_store import open_store

    settings = read_settings()
    for run_id in run_ids:
        unpin(open_store(settings), run_id)
        click.echo(f"{run_id} is unpinned; tasks expire {settings.task_result_ttl_days} days after they finish")


results.add_command(archive)


@click.command()
@ids.run_id
@options.strategy_files
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.pass_context
def replay(ctx: click.Context, run_id: str, strategy_files: tuple[Path, ...], *, as_json: bool) -> None:
    """Recompute the result of RUN_ID and compare it bit for bit; for a sweep, all its trials.

    Reports which parts of the spec, candles, code and package versions have changed. Exits with 1 if a figure of the
    result differs; sentences and new fields of another release are printed only.
    """
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.cli.views.replay import print_replay
    from coin_pipeline.results.replay import replay_backtest
    from coin_pipeline.results.store import load_result
    from coin_pipeline.storage.open_store import open_store
    from coin_pipeline.strategies.registry import load_registry
    from coin_pipeline.sweeps.replay import is_sweep, replay_sweep

    settings = read_settings(strategy_files)
    store, catalog = open_store(settings), open_catalog(settings)
    recompute = replay_sweep if is_sweep(load_result(store, run_id)) else replay_backtest
    outcome = recompute(store, catalog, load_registry(settings.coin_strategy_files), run_id)
    if as_json:
        click.echo(json.dumps(outcome.to_json()))
    else:
        print_replay(outcome)
    ctx.exit(0 if outcome.same_figures else 1)
