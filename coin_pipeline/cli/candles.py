"""Commands on candles: import, export, list and resample them."""

import sys
from datetime import date, datetime
from pathlib import Path

import click

from coin_pipeline.cli.audit import check
from coin_pipeline.cli.fetch import get
from coin_pipeline.cli.options import TIMEFRAMES

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def candles() -> None:
    """Fetch, import, export and check the candles under DATA_ROOT."""


candles.add_command(get)
candles.add_command(check)


@candles.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--symbol", required=True, help="Market: BTC_KRW, or KRW-BTC as Upbit writes it.")
@click.option("--timeframe", required=True, help=TIMEFRAMES)
@click.option("--tz", help="Time zone of timestamps without one, such as UTC or Asia/Seoul.")
def import_candles(file: Path, symbol: str, timeframe: str, tz: str | None) -> None:
    """Merge a CSV, Parquet or Feather FILE into the stored candles.

    A CSV file needs the header timestamp,open,high,low,close,volume. Nothing is stored unless every row is valid.
    """
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.files import read_candle_file
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.candles import print_merge
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.settings import load_settings

    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = CandleCatalog(load_settings().data_root)
    with spinner(f"reading {file.name}"):
        rows = read_candle_file(file, tz)
    with spinner(f"storing {len(rows.time):,} candles"):
        report = catalog.merge(market, length, rows)
    print_merge(market, length, report)


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
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.files import write_candle_file
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe, utc
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.errors import CandlesNotFound
    from coin_pipeline.settings import load_settings

    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = CandleCatalog(load_settings().data_root)
    start, end = first and first.date(), last and last.date()
    with spinner(f"writing {file.name}"):
        stored = catalog.load(market, length, start or date.min, end or date.max).candles
        if not len(stored.time):
            days = (start or "the beginning", end or "the end")
            raise CandlesNotFound({market: catalog.describe(market)}, length.name, *days)
        write_candle_file(file, stored, force=force)
    span = f"{utc(stored.time[0]):%Y-%m-%d %H:%M} to {utc(stored.time[-1]):%Y-%m-%d %H:%M} UTC"
    click.echo(f"{market} {length}: {len(stored.time):,} candles, {span}, written to {file}")


@candles.command("list")
def list_candles() -> None:
    """List the stored series.

    Shows the span, size and coverage of each series, and the day until which it was fetched.
    """
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.cli.views.candles import print_inventory
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    print_inventory(settings.data_root, *CandleCatalog(settings.data_root).inventory())


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
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.resample import resample_stored
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.candles import print_merge
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.settings import load_settings

    market, timeframe, to = parse_symbol(symbol), parse_timeframe(shorter), parse_timeframe(longer)
    catalog = CandleCatalog(load_settings().data_root)
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
