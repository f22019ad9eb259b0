"""Importing candles, and seeing which are stored."""

from pathlib import Path

import click

from coin_pipeline.cli.resampling import resample


@click.group()
def candles() -> None:
    """Candles under DATA_ROOT."""


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
    from coin_pipeline.cli.progress import busy
    from coin_pipeline.cli.summary import print_merge
    from coin_pipeline.market.candle_files import read_candle_file
    from coin_pipeline.market.catalog import CandleCatalog
    from coin_pipeline.market.symbol import parse_symbol
    from coin_pipeline.market.timeframe import parse_timeframe
    from coin_pipeline.settings import load_settings

    market, length = parse_symbol(symbol), parse_timeframe(timeframe)
    catalog = CandleCatalog(load_settings().data_root)
    with busy(f"reading {file.name}"):
        rows = read_candle_file(file, tz)
    with busy(f"storing {len(rows):,} candles"):
        report = catalog.merge(market, length, rows)
    print_merge(market, length, report)


@candles.command("list")
def list_candles() -> None:
    """List the stored series: symbol, timeframe, span, number of candles."""
    from coin_pipeline.cli.summary import print_inventory
    from coin_pipeline.market.catalog import CandleCatalog
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    print_inventory(settings.data_root, *CandleCatalog(settings.data_root).inventory())
