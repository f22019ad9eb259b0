"""Stored results as lines on a terminal, from an index that knows all of them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from rich.table import Table

from coin_pipeline.backtest.filters import Filters
from coin_pipeline.backtest.formats import counted
from coin_pipeline.backtest.index import ResultIndex, prepare
from coin_pipeline.backtest.reindex import Rebuild, reindex
from coin_pipeline.cli.progress import reading_progress
from coin_pipeline.cli.summary import MAX_LINES, UNDEFINED, not_listed, percent, print_table
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.storage.open_store import open_store

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings


def print_history(settings: "Settings", filters: Filters, limit: int) -> None:
    """Print the newest stored results that match."""
    with _rebuilt(settings) as (index, rebuild):
        found = index.page(filters, limit).entries
    table = Table("run id", "strategy", "symbols", "range", "return", "signals", "finished", box=None)
    for entry in found:  # files of the older platform do not tell everything
        table.add_row(
            entry.run_id,
            entry.strategy or UNDEFINED,
            ", ".join(entry.symbols),
            f"{entry.start_date or UNDEFINED} to {entry.end_date or UNDEFINED}",
            percent(entry.total_return),
            UNDEFINED if entry.total_signals is None else str(entry.total_signals),
            f"{entry.timestamp:%Y-%m-%dT%H:%M:%S}",
        )
    if filters == Filters(kind=None):
        print_table(table, f"no result under {settings.data_root}; 'coin demo' makes one")
    else:
        print_table(table, "no stored result matches; leave a filter out")
    not_listed(rebuild.broken)


def print_rebuild(settings: "Settings", *, everything: bool) -> None:
    """Make the index equal to what is stored, and print what that took."""
    with _rebuilt(settings, everything=everything) as (_, rebuild):
        click.echo(f"{counted(rebuild.added, 'result')} read, {rebuild.removed:,} no longer stored")
    not_listed(rebuild.broken[:MAX_LINES])
    if len(rebuild.broken) > MAX_LINES:
        click.secho(f"and {len(rebuild.broken) - MAX_LINES:,} more", fg="red", err=True)


@contextmanager
def _rebuilt(settings: "Settings", *, everything: bool = False) -> Iterator[tuple[ResultIndex, Rebuild]]:
    """Open the index, equal to what is stored; many documents to read show how far it has come."""
    with closing(Session(database_url(settings))) as session:
        prepare(session)
        index = ResultIndex(session)
        with reading_progress() as show:
            rebuild = reindex(open_store(settings), index, everything=everything, on_progress=show)
        yield index, rebuild
