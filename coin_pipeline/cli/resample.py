"""Making longer candles of stored ones."""

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from coin_pipeline.candles.resample import Resampled


@click.command()
@click.argument("symbol")
@click.option("--from", "shorter", required=True, help="Timeframe of the candles to make them of, such as 1m.")
@click.option("--to", "longer", required=True, help="Timeframe to make, a multiple of it, such as 15m.")
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
def resample(*, symbol: str, shorter: str, longer: str, dry_run: bool) -> None:
    """Make longer candles of all shorter ones that are stored of SYMBOL, and merge them.

    Only complete ones are made: each of their candles is stored, or was asked for and had no trade.
    """
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.resample import resample_stored
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.candles.year_files.arrow import to_frame
    from coin_pipeline.cli.views.candles import print_merge
    from coin_pipeline.cli.views.progress import busy
    from coin_pipeline.settings import load_settings

    market, timeframe, to = parse_symbol(symbol), parse_timeframe(shorter), parse_timeframe(longer)
    catalog = CandleCatalog(load_settings().data_root)
    with busy(f"making {to} candles"):
        made = resample_stored(catalog, market, timeframe, to)
    bars = len(made.bars.time)
    click.echo(f"{market} {timeframe} to {to}: {_told(made)}")
    if not bars:
        click.secho(f"{market}: {catalog.describe(market)}", err=True)
        sys.exit(1)
    if dry_run:
        click.echo("nothing was stored")
        return
    with busy(f"storing {bars:,} candles"):
        report = catalog.merge(market, to, to_frame(made.bars), fetched=made.fetched, source=made.source)
    print_merge(market, to, report)


def _told(made: "Resampled") -> str:
    """Say how many candles were made, and how many were not."""
    from coin_pipeline.backtest.formatting import pluralize

    left_out = f"{pluralize(made.incomplete, 'incomplete one')} left out" if made.incomplete else "none incomplete"
    return f"{pluralize(len(made.bars.time), 'complete candle')}, {left_out}"
