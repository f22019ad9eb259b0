"""Stored candles as lines on a terminal: which there are, and what an import or a fetch changed."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from coin_pipeline.candles.audit.raw_files import span_coverage
from coin_pipeline.candles.catalog import CandleCatalog, StoredCandles
from coin_pipeline.candles.collect import CollectReport
from coin_pipeline.candles.timeframe import Timeframe, utc
from coin_pipeline.candles.year_files.writer import MergeReport
from coin_pipeline.cli.views.backtest import UNDEFINED, not_listed, print_table
from coin_pipeline.errors import CoinError


def print_inventory(root: Path, stored: Sequence[StoredCandles], broken: Sequence[CoinError]) -> None:
    """Print which candles are stored, and which cannot be read."""
    columns = ("symbol", "timeframe", "first (UTC)", "last (UTC)", "candles")
    told = ("there", "not fetched", "fetched until", "MiB")
    table = Table(*columns, *told, box=None, pad_edge=False, collapse_padding=True)
    catalog = CandleCatalog(root)
    for series in stored:
        expected, not_fetched = span_coverage(catalog, series)
        fetched = series.provenance.fetched
        span = (f"{series.first:%Y-%m-%d}", f"{series.last:%Y-%m-%d}")
        table.add_row(
            series.symbol,
            str(series.timeframe),
            *span,
            f"{series.rows:,}",
            share(series.rows, expected),
            f"{not_fetched:,}",
            f"{utc(fetched[-1][1]):%Y-%m-%d}" if fetched else UNDEFINED,
            f"{series.bytes / 2**20:,.1f}",
        )
    print_table(table, f"no candles under {root}; 'coin candles import FILE' or 'coin demo' brings some")
    not_listed(broken)


def print_merge(symbol: str, timeframe: Timeframe, report: MergeReport) -> None:
    """Print what an import changed."""
    click.echo(
        f"{symbol} {timeframe}: {report.added:,} candles added, {report.replaced:,} replaced,"
        f" {report.unchanged:,} unchanged; {report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC"
    )


def print_collected(collected: CollectReport) -> None:
    """Print what was fetched of a series, and of which time all of it is stored now."""
    series = f"{collected.symbol} {collected.timeframe}"
    if collected.begin == collected.end:
        click.echo(f"{series}: nothing to fetch from {utc(collected.begin):%Y-%m-%d %H:%M} UTC on")
        return
    span = f"{utc(collected.begin):%Y-%m-%d %H:%M} to {utc(collected.end):%Y-%m-%d %H:%M} UTC"
    click.echo(f"{series}: {collected.added:,} added, {collected.replaced:,} replaced; {span}")


def share(part: int, whole: int) -> str:
    """Format a part as a percentage that is 100 only if nothing is missing."""
    if part == whole:
        return "100%"
    return f"{10_000 * part // whole / 100:.2f}%"
