"""Stored candles on the terminal: the inventory, and what an import or a fetch changed."""

from collections.abc import Sequence

import click
from rich.table import Table

from coin_pipeline.backtest.labels import UNDEFINED
from coin_pipeline.candles.audit.raw_files import span_coverage
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CollectReport
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import Timeframe, utc
from coin_pipeline.candles.year_files.writer import MergeReport
from coin_pipeline.cli.views.console import print_table, print_unreadable
from coin_pipeline.errors import CoinError


def print_inventory(catalog: CandleCatalog, stored: Sequence[StoredCandles], broken: Sequence[CoinError]) -> None:
    """Print the stored series, and the files that cannot be read."""
    columns = ("symbol", "timeframe", "first (UTC)", "last (UTC)", "candles")
    coverage = ("coverage", "not fetched", "fetched until", "MiB")
    table = Table(*columns, *coverage, box=None, pad_edge=False, collapse_padding=True)
    for series in stored:
        expected, not_fetched = span_coverage(catalog, series)
        fetched = series.provenance.fetched
        span = (f"{series.first:%Y-%m-%d}", f"{series.last:%Y-%m-%d}")
        table.add_row(
            series.symbol,
            str(series.timeframe),
            *span,
            f"{series.rows:,}",
            format_share(series.rows, expected),
            f"{not_fetched:,}",
            f"{utc(fetched[-1][1]):%Y-%m-%d}" if fetched and series.provenance.source else UNDEFINED,
            f"{series.bytes / 2**20:,.1f}",
        )
    print_table(table, f"no candles under {catalog.place}; add some with 'coin candles import FILE' or 'coin demo'")
    print_unreadable(broken)


def print_merge(symbol: str, timeframe: Timeframe, report: MergeReport) -> None:
    """Print what an import changed."""
    removed = f", {report.removed:,} removed" if report.removed else ""
    click.echo(
        f"{symbol} {timeframe}: {report.added:,} candles added, {report.replaced:,} replaced,"
        f" {report.unchanged:,} unchanged{removed}; {report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC"
    )


def print_collected(collected: CollectReport) -> None:
    """Print what a fetch changed in a series, and the time range that is now stored completely."""
    series = f"{collected.symbol} {collected.timeframe}"
    if collected.begin == collected.end:
        click.echo(f"{series}: up to date; nothing to fetch from {utc(collected.begin):%Y-%m-%d %H:%M} UTC")
        return
    span = f"{utc(collected.begin):%Y-%m-%d %H:%M} to {utc(collected.end):%Y-%m-%d %H:%M} UTC"
    click.echo(f"{series}: {collected.added:,} added, {collected.replaced:,} replaced; {span}")


def format_share(part: int, total: int) -> str:
    """Format a share as a percentage, rounded down, so that 100% means that nothing is missing.

    >>> format_share(199_999, 200_000)
    '99.99%'
    """
    if part == total:
        return "100%"
    return f"{10_000 * part // total / 100:.2f}%"
