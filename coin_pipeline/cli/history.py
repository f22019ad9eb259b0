"""Stored results as lines on a terminal, from an index that knows all of them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.views.backtest import MAX_LINES, UNDEFINED, new_console, not_listed, percent, print_table
from coin_pipeline.cli.views.progress import reading_progress
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.results.index import Filters, ResultIndex, create_table
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.results.legacy import SEOUL
from coin_pipeline.results.reindex import IndexRebuild, reindex
from coin_pipeline.storage.open_store import open_store

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings

WIDE, NARROW = 146, 106
"""Columns of a terminal that has room for everything, and of one that has room for the time of day."""


def print_history(settings: "Settings", filters: Filters, limit: int) -> None:
    """Print the newest stored results that match."""
    with _rebuilt(settings) as (index, rebuild):
        found = index.page(filters, limit).entries
    table = _table(found, new_console().width)
    if filters == Filters(kind=None):
        print_table(table, f"no result under {settings.data_root}; 'coin demo' makes one")
    else:
        print_table(table, "no stored result matches; leave a filter out")
    not_listed(rebuild.broken)


def _table(entries: Sequence[IndexEntry], width: int) -> Table:
    """Return a line for each entry, on a narrow terminal without what can be left out; the id is always whole."""
    wide, roomy = width >= WIDE, width >= NARROW
    time = "%Y-%m-%d %H:%M" if roomy else "%Y-%m-%d"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("run id", no_wrap=True)
    for name in ("strategy", "symbols", *(["range"] if wide else [])):
        table.add_column(name, overflow="fold")
    for name in ("return", *(["a trade"] if roomy else []), *(["signals"] if wide else []), "finished\n(Seoul)"):
        table.add_column(name, no_wrap=True, justify="right")
    for entry in entries:  # files of the older platform do not tell everything
        days = f"{entry.start_date or UNDEFINED} to {entry.end_date or UNDEFINED}"
        signals = UNDEFINED if entry.total_signals is None else f"{entry.total_signals:,}"
        table.add_row(
            entry.run_id,
            entry.strategy or UNDEFINED,
            ", ".join(entry.symbols),
            *([days] if wide else []),
            percent(entry.total_return),
            *([UNDEFINED if entry.avg_return is None else f"{entry.avg_return:+.2f} %"] if roomy else []),
            *([signals] if wide else []),
            entry.timestamp.astimezone(SEOUL).strftime(time),
        )
    return table


def print_rebuild(settings: "Settings", *, everything: bool) -> None:
    """Make the index equal to what is stored, and print what that took."""
    with _rebuilt(settings, everything=everything) as (_, rebuild):
        click.echo(f"{pluralize(rebuild.added, 'result')} read, {rebuild.removed:,} no longer stored")
    not_listed(rebuild.broken[:MAX_LINES])
    if len(rebuild.broken) > MAX_LINES:
        click.secho(f"and {len(rebuild.broken) - MAX_LINES:,} more", fg="red", err=True)


@contextmanager
def _rebuilt(settings: "Settings", *, everything: bool = False) -> Iterator[tuple[ResultIndex, IndexRebuild]]:
    """Open the index, equal to what is stored; many documents to read show how far it has come."""
    with closing(Session(database_url(settings))) as session:
        create_table(session)
        index = ResultIndex(session)
        with reading_progress() as show:
            rebuild = reindex(open_store(settings), index, everything=everything, on_progress=show)
        yield index, rebuild
