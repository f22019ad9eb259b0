"""Outcome of a retention run."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from coin_pipeline.cli.views.console import new_console
from coin_pipeline.defs.maintenance.ops import NOTICES, PINNED, REMOVED, STORED, WOULD_BE_REMOVED

MIB = 2**20


def print_retention(outcome: Mapping[str, Any], ttl_days: int, *, dry_run: bool) -> None:
    """Print what was removed, or would be, and how much is stored.

    Args:
        outcome: Metadata of the run's output.
        ttl_days: Days after which tasks expire.
        dry_run: Whether the run removed nothing.
    """
    console = new_console()
    removed = [record.data for record in outcome[WOULD_BE_REMOVED if dry_run else REMOVED].records]
    if removed:
        console.print(_removed_table(removed, "would be removed" if dry_run else "removed"))
    else:
        verb = "would be" if dry_run else "was"
        console.print(f"nothing {verb} removed: no unpinned task ended more than {ttl_days} days ago")
    console.print()
    console.print(_usage_table([record.data for record in outcome[STORED].records], dry_run=dry_run))
    if outcome[PINNED].value:
        console.print(f"\nkept by pins: {outcome[PINNED].value:,}")
    for notice in outcome[NOTICES].value:
        click.secho(notice, fg="yellow", err=True)


def _removed_table(records: Sequence[Mapping[str, Any]], heading: str) -> Table:
    table = Table(heading, box=None)
    for column in ("count", "MiB", "oldest (UTC)"):
        table.add_column(column, justify="right")
    for record in records:
        size = f"{record['bytes'] / MIB:,.2f}" if record["bytes"] else "-"
        table.add_row(record["what"], f"{record['count']:,}", size, record["oldest"])
    return table


def _usage_table(records: Sequence[Mapping[str, Any]], *, dry_run: bool) -> Table:
    table = Table("MiB", box=None)
    for column in ("now",) if dry_run else ("before", "after", "freed"):
        table.add_column(column, justify="right")
    for record in records:
        figures = [record["before"]] if dry_run else [record["before"], record["after"], record["freed"]]
        table.add_row(record["where"], *(f"{figure / MIB:,.2f}" for figure in figures))
    return table
