"""Commands on candles: import, export, list and resample them."""

import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli.audit import check
from coin_pipeline.cli.fetch import get
from coin_pipeline.cli.options import TIMEFRAMES, require_ordered_days

_DAY = click.DateTime(["%Y-%m-%d"])

if TYPE_CHECKING:
    from coin_pipeline.candles.imports.stamps import Stamps


@click.group()
def candles() -> None:
    """Fetch, import, export and check the stored candles."""


candles.add_command(get)
candles.add_command(check)


@candles.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, exists=True))
@click.option("--symbol", help="Market, such as BTC_KRW or Upbit's KRW-BTC; by default, as the files name it.")
@click.option("--timeframe", help=f"Candle length, by default as the names of the files have it: {TIMEFRAMES}.")
@click.option("--tz", help="Time zone of timestamps without one, such as UTC or Asia/Seoul.")
@click.option(
    "--columns", metavar="FIELD=NAME,...", help="Columns of time, open, high, low, close, volume, if unknown."
)
@click.option(
    "--stamps",
    type=click.Choice(["auto", "open", "close"]),
    default="auto",
    show_default=True,
    help="Whether candles open or close at their timestamps.",
)
@click.option("--dry-run", is_flag=True, help="Store nothing; show how each file is understood.")
@click.pass_context
def import_candles(
    ctx: click.Context,
    paths: tuple[Path, ...],
    symbol: str | None,
    timeframe: str | None,
    tz: str | None,
    columns: str | None,
    stamps: "Stamps",
    *,
    dry_run: bool,
) -> None:
    """Merge candle FILEs, or those of a folder, into the stored candles.

    Reads CSV, Excel, JSON, Parquet and Feather files, also compressed ones, of exchanges, libraries and spreadsheets.
    A file is stored only if every row is valid; candles that are not closed yet are left out.

    \b
    coin candles import BTCUSDT-1h-2025-01.zip BTCUSDT-1h-2025-02.zip
    coin candles import btc.csv --symbol BTC_KRW --timeframe 1d --tz Asia/Seoul --dry-run
    """
    from coin_pipeline.candles.imports.parser.server import shared_server

    server = shared_server()
    server.start()  # it loads while this process does

    from coin_pipeline.backtest.formatting import pluralize
    from coin_pipeline.candles.imports.batch import FailedImport, candle_paths, import_files
    from coin_pipeline.candles.imports.mapping import parse_columns
    from coin_pipeline.candles.imports.parser.client import CandleFileParser, ParserLimits
    from coin_pipeline.candles.imports.prepare import ImportOptions
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.imports import print_failed, print_imported
    from coin_pipeline.cli.views.progress import each_with_spinner
    from coin_pipeline.settings import load_settings

    options = ImportOptions(
        symbol=parse_symbol(symbol) if symbol else None,
        timeframe=parse_timeframe(timeframe) if timeframe else None,
        tz=tz,
        columns=parse_columns(columns) if columns else None,
        stamps=stamps,
    )
    files, failed = candle_paths(paths), False
    settings = load_settings()
    catalog = open_catalog(settings)
    parser = CandleFileParser(server, ParserLimits.of(settings))
    outcomes = import_files(catalog, files, options, time.time_ns(), parser, dry_run=dry_run)
    for outcome in each_with_spinner(outcomes, f"importing {pluralize(len(files), 'file')}"):
        if isinstance(outcome, FailedImport):
            if len(files) == 1:
                raise outcome.error
            print_failed(outcome)
            failed = True
        else:
            print_imported(outcome)
    ctx.exit(1 if failed else 0)


@candles.command("export")
@click.argument("symbol")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--timeframe", required=True, help=TIMEFRAMES)
@click.option("--from", "first", type=_DAY, help="First day (Asia/Seoul); defaults to that of the first candle.")
@click.option("--to", "last", type=_DAY, help="Last day, inclusive; defaults to that of the last candle.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def export_candles(
    symbol: str, file: Path, timeframe: str, first: datetime | None, last: datetime | None, *, force: bool
) -> None:
    """Write the stored candles of SYMBOL to a FILE.

    The suffix selects CSV, Parquet or Feather. Importing the file restores the same candles.
    """
    from coin_pipeline.candles.files import write_candle_file
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe, utc
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.errors import CandlesNotFound
    from coin_pipeline.settings import load_settings

    require_ordered_days(first, last)
    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = open_catalog(load_settings())
    start, end = first and first.date(), last and last.date()
    with spinner(f"writing {file.name}"):
        stored = catalog.load(market, length, start or date.min, end or date.max).candles
        if not len(stored.time):
            days = (start or "the beginning", end or "the end")
            raise CandlesNotFound({market: catalog.describe(market, length, start)}, length.name, *days)
        write_candle_file(file, stored, force=force)
    span = f"{utc(stored.time[0]):%Y-%m-%d %H:%M} to {utc(stored.time[-1]):%Y-%m-%d %H:%M} UTC"
    click.echo(f"{market} {length}: {len(stored.time):,} candles, {span}, written to {file}")


@candles.command("list")
def list_candles() -> None:
    """List the stored series.

    Shows the span, size and coverage of each series, and the day until which it was fetched.
    """
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.cli.views.candles import print_inventory
    from coin_pipeline.settings import load_settings

    catalog = open_catalog(load_settings())
    print_inventory(catalog, *catalog.inventory())


@candles.command()
@click.pass_context
def upload(ctx: click.Context) -> None:
    """Copy the candles under DATA_ROOT to the bucket, for COIN_CANDLES=s3.

    Files that the bucket has already are kept there; those that differ are listed, and can be merged with 'coin candles
    import'. Nothing is removed from DATA_ROOT. Safe to interrupt and repeat.
    """
    from coin_pipeline.backtest.formatting import pluralize
    from coin_pipeline.candles.upload import upload_candles
    from coin_pipeline.cli.views.progress import each_with_spinner
    from coin_pipeline.settings import load_settings

    differing = [name for name, same in each_with_spinner(upload_candles(load_settings()), "copying") if not same]
    for name in differing:
        click.secho(f"{name}: differs from the file in the bucket, which was kept", fg="red", err=True)
    click.echo(f"{pluralize(len(differing), 'file')} differ" if differing else "the bucket has all candles")
    ctx.exit(1 if differing else 0)


@candles.command()
@click.argument("symbol")
@click.option("--from", "shorter", required=True, help="Timeframe of the stored candles, such as 1m.")
@click.option("--to", "longer", required=True, help="Timeframe to create, a multiple of it, such as 15m.")
@click.option("--dry-run", is_flag=True, help="Only show how many candles would be created.")
def resample(*, symbol: str, shorter: str, longer: str, dry_run: bool) -> None:
    """Create longer candles of SYMBOL from shorter ones.

    Uses all stored candles of the shorter timeframe and merges the result into the longer one. Only complete candles
    are created: each of their shorter candles is stored, or was fetched and had no trade.
    """
    from coin_pipeline.backtest.formatting import pluralize
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.resample_stored import resample_stored
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.candles import print_merge
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.settings import load_settings

    market, timeframe, to = parse_symbol(symbol), parse_timeframe(shorter), parse_timeframe(longer)
    catalog = open_catalog(load_settings())
    with spinner(f"creating {to} candles"):
        resampled = resample_stored(catalog, market, timeframe, to)
    bars = len(resampled.bars.time)
    complete = pluralize(bars, "complete candle")
    click.echo(f"{market} {timeframe} to {to}: {complete}, {resampled.incomplete:,} incomplete dropped")
    if not bars:
        click.secho(f"{market}: {catalog.describe(market)}", err=True)
        sys.exit(1)
    if dry_run:
        click.echo("dry run: nothing was stored")
        return
    with spinner(f"storing {bars:,} candles"):
        report = catalog.merge(market, to, resampled.bars, fetched=resampled.fetched, source=resampled.source)
    print_merge(market, to, report)
