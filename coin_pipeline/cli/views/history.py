"""The list of stored results, read from the index of results."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backtest.labels import UNDEFINED, format_figure
from coin_pipeline.cli.database import ready_database
from coin_pipeline.cli.views.console import MAX_LINES, new_console, print_table, print_unreadable
from coin_pipeline.cli.views.progress import reading_progress
from coin_pipeline.database.session import Session
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.results.legacy import SEOUL
from coin_pipeline.results.reindex import IndexRebuild, reindex
from coin_pipeline.storage.open_store import open_store

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings

WIDE, MEDIUM = 146, 106
"""Terminal columns from which all table columns fit, and from which the time of day fits."""


def print_history(settings: "Settings", filters: Filters, limit: int) -> None:
    """Print the newest stored results that match the filters."""
    with _current_index(settings) as (index, rebuild):
        entries = index.page(filters, limit).entries
    table = _table(entries, new_console().width)
    if filters == Filters(kind=None):
        print_table(table, f"no results under {settings.data_root}; 'coin demo' creates one")
    else:
        print_table(table, "no stored result matches; remove a filter")
    print_unreadable(rebuild.broken)


def _table(entries: Sequence[IndexEntry], width: int) -> Table:
    """Return a row per entry; a narrow terminal omits columns but never shortens the run id."""
    wide, medium = width >= WIDE, width >= MEDIUM
    time = "%Y-%m-%d %H:%M" if medium else "%Y-%m-%d"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("run id", no_wrap=True)
    for name in ("strategy", "symbols", *(["range"] if wide else [])):
        table.add_column(name, overflow="fold")
    for name in ("return", *(["per trade"] if medium else []), *(["signals"] if wide else []), "finished\n(Seoul)"):
        table.add_column(name, no_wrap=True, justify="right")
    for entry in entries:  # results of the legacy platform lack some of the fields
        days = f"{entry.start_date or UNDEFINED} to {entry.end_date or UNDEFINED}"
        signals = UNDEFINED if entry.total_signals is None else f"{entry.total_signals:,}"
        table.add_row(
            entry.run_id,
            (entry.strategy or UNDEFINED) + " (reused)" * entry.reused,
            ", ".join(entry.symbols),
            *([days] if wide else []),
            format_figure("total_return", entry.total_return),
            *([UNDEFINED if entry.avg_return is None else f"{entry.avg_return:+.2f} %"] if medium else []),
            *([signals] if wide else []),
            entry.timestamp.astimezone(SEOUL).strftime(time),
        )
    return table


def print_rebuild(settings: "Settings", *, everything: bool) -> None:
    """Update the index from the stored results and print what changed.

    Args:
        settings: Where results and the database are.
        everything: Whether to read documents again that are already in the index.
    """
    with _current_index(settings, everything=everything) as (_, rebuild):
        click.echo(f"{pluralize(rebuild.added, 'result')} read, {rebuild.removed:,} no longer stored")
    print_unreadable(rebuild.broken[:MAX_LINES])
    if len(rebuild.broken) > MAX_LINES:
        click.secho(f"and {len(rebuild.broken) - MAX_LINES:,} more", fg="red", err=True)


@contextmanager
def _current_index(settings: "Settings", *, everything: bool = False) -> Iterator[tuple[ResultIndex, IndexRebuild]]:
    """Yield the index after bringing it up to date with the stored results, and what that changed."""
    with closing(Session(ready_database(settings))) as session:
        index = ResultIndex(session)
        with reading_progress() as report_progress:
            rebuild = reindex(open_store(settings), index, everything=everything, on_progress=report_progress)
        yield index, rebuild
