"""The list of stored results, read from the index of results."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backtest.labels import FIGURES, UNDEFINED, format_figure
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

WIDE, MEDIUM = 180, 106
"""Terminal columns from which whole ids and all table columns fit, and from which params and the time of day fit."""
SHORT_ID = 8
"""Minimum length of a shortened id; all commands take it."""


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
    """Return a row per entry; a narrow terminal shortens ids and omits columns."""
    wide, medium = width >= WIDE, width >= MEDIUM
    run_ids = {entry.run_id for entry in entries}
    length = max(map(len, run_ids), default=0) if wide else _unique_length(run_ids)
    time = "%Y-%m-%d %H:%M" if medium else "%Y-%m-%d"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("run id", no_wrap=True)
    for name in ("strategy", "symbols", "timeframe", *(["params"] if medium else []), *(["range"] if wide else [])):
        table.add_column(name, overflow="fold")
    figures = ("total_return", *(["avg_return"] if wide else []), "sharpe", "trades", *(["signals"] if wide else []))
    for heading in (*(FIGURES[name].label.lower().replace(" ", "\n") for name in figures), "finished\n(Seoul)"):
        table.add_column(heading, no_wrap=True, justify="right")
    for entry in entries:  # results of the legacy platform lack some of the fields
        days = f"{entry.start_date or UNDEFINED} to {entry.end_date or UNDEFINED}"
        values = {
            "total_return": entry.total_return,
            "avg_return": None if entry.avg_return is None else entry.avg_return / 100,
            "sharpe": entry.sharpe,
            "trades": entry.trades,
            "signals": entry.total_signals,
        }
        table.add_row(
            entry.run_id[:length],
            (entry.strategy or UNDEFINED) + " (sweep)" * (entry.kind == "sweep") + " (reused)" * entry.reused,
            ", ".join(entry.symbols),
            entry.timeframe or UNDEFINED,
            *([entry.params or UNDEFINED] if medium else []),
            *([days] if wide else []),
            *(format_figure(name, values[name]) for name in figures),
            entry.timestamp.astimezone(SEOUL).strftime(time),
        )
    return table


def _unique_length(run_ids: Collection[str]) -> int:
    """Return the length at which the ids of a list are distinct.

    >>> _unique_length(["c0ffee00-a679", "c0ffee00-b123"]), _unique_length(["a"])
    (10, 8)
    """
    longest = max(map(len, run_ids), default=SHORT_ID)
    sizes = range(SHORT_ID, longest)
    return next(
        (size for size in sizes if len({own[:size] for own in run_ids}) == len(run_ids)), max(longest, SHORT_ID)
    )


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
