"""Importing candles, and seeing which are stored."""

from datetime import date, datetime
from pathlib import Path

import click

from coin_pipeline.cli.audit import check
from coin_pipeline.cli.fetch import get
from coin_pipeline.cli.resample import resample

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def candles() -> None:
    """Candles under DATA_ROOT."""


candles.add_command(get)
candles.add_command(check)
candles.add_command(resample)


@candles.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--symbol", required=True, help="Market: BTC_KRW, or Upbit's KRW-BTC.")
@click.option("--timeframe", required=True, help="1m 3m 5m 10m 15m 30m 1h 4h 1d 1w")
@click.option("--tz", help="Zone of timestamps that carry none, such as UTC or Asia/Seoul.")
def import_candles(file: Path, symbol: str, timeframe: str, tz: str | None) -> None:
    """Merge a CSV, Parquet or Feather FILE into what is stored.

    A CSV has the header timestamp,open,high,low,close,volume. Nothing is stored unless every row is sound.
    """
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.files import read_candle_file
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.candles import print_merge
    from coin_pipeline.cli.views.progress import busy
    from coin_pipeline.settings import load_settings

    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = CandleCatalog(load_settings().data_root)
    with busy(f"reading {file.name}"):
        rows = read_candle_file(file, tz)
    with busy(f"storing {len(rows):,} candles"):
        report = catalog.merge(market, length, rows)
    print_merge(market, length, report)


@candles.command("export")
@click.argument("symbol")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--timeframe", required=True, help="1m 3m 5m 10m 15m 30m 1h 4h 1d 1w")
@click.option("--from", "first", type=_DAY, help="First day, Asia/Seoul; if not given, that of the first candle.")
@click.option("--to", "last", type=_DAY, help="Last day, included; if not given, that of the last candle.")
@click.option("--force", is_flag=True, help="Replace a FILE that is there.")
def export_candles(
    symbol: str, file: Path, timeframe: str, first: datetime | None, last: datetime | None, *, force: bool
) -> None:
    """Write the stored candles of SYMBOL to a CSV, Parquet or Feather FILE; importing it brings the same ones."""
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.files import write_candle_file
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe, utc
    from coin_pipeline.cli.views.progress import busy
    from coin_pipeline.errors import CandlesNotFound
    from coin_pipeline.settings import load_settings

    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = CandleCatalog(load_settings().data_root)
    start, end = first and first.date(), last and last.date()
    with busy(f"writing {file.name}"):
        bars = catalog.read(market, length, start or date.min, end or date.max)
        if not len(bars):
            days = (start or "the beginning", end or "the end")
            raise CandlesNotFound({market: catalog.describe(market)}, length.name, *days)
        write_candle_file(file, bars, force=force)
    span = f"{utc(bars.time[0]):%Y-%m-%d %H:%M} to {utc(bars.time[-1]):%Y-%m-%d %H:%M} UTC"
    click.echo(f"{market} {length}: {len(bars):,} candles, {span}, in {file}")


@candles.command("list")
def list_candles() -> None:
    """List the stored series: span, number of candles, how many of the span are missing, and until when fetched."""
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.cli.views.candles import print_inventory
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    print_inventory(settings.data_root, *CandleCatalog(settings.data_root).inventory())
