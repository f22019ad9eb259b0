"""Removing what is no longer kept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

MIB = 2**20


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def retention(*, dry_run: bool) -> None:
    """Remove tasks that have expired, what broken runs left, and old records of runs, as a Dagster job.

    Tasks expire TASK_RESULT_TTL_DAYS after they ended, unless they are pinned (coin results pin). What lies in
    results/ is never removed. While 'coin up' runs, the same job runs every night.

    \b
    coin retention --dry-run
    coin retention
    """
    from coin_pipeline.cli.views.progress import retention_progress
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with retention_progress() as bar:
        # Dagster takes a second or two to import.
        from coin_pipeline.defs.in_process import run_in_process
        from coin_pipeline.defs.run_requests import retention_submission

        run_in_process(settings, retention_submission(dry_run=dry_run), bar.hear)
    _print(bar.outcome, settings.task_result_ttl_days, dry_run=dry_run)


def _print(outcome: Mapping[str, Any], days: int, *, dry_run: bool) -> None:
    """Print what a run told of itself."""
    from coin_pipeline.cli.views.backtest import new_console
    from coin_pipeline.defs.maintenance.ops import NOTICES, PINNED, REMOVED, STORED, WOULD_BE_REMOVED

    console = new_console()
    removed = [record.data for record in outcome[WOULD_BE_REMOVED if dry_run else REMOVED].records]
    if removed:
        console.print(_removed(removed, "would be removed" if dry_run else "removed"))
    else:
        verb = "would be" if dry_run else "was"
        console.print(f"nothing {verb} removed: no task that ended more than {days} days ago is without a pin")
    console.print()
    console.print(_stored([record.data for record in outcome[STORED].records], dry_run=dry_run))
    if outcome[PINNED].value:
        console.print(f"\nkept by pins: {outcome[PINNED].value:,}")
    for sentence in outcome[NOTICES].value:
        click.secho(sentence, fg="yellow", err=True)


def _removed(records: Sequence[Mapping[str, Any]], verb: str) -> "Table":
    from rich.table import Table

    table = Table(verb, box=None)
    for column in ("how many", "MiB", "oldest (UTC)"):
        table.add_column(column, justify="right")
    for record in records:
        size = f"{record['bytes'] / MIB:,.2f}" if record["bytes"] else "-"
        table.add_row(record["what"], f"{record['count']:,}", size, record["oldest"])
    return table


def _stored(records: Sequence[Mapping[str, Any]], *, dry_run: bool) -> "Table":
    from rich.table import Table

    table = Table("MiB", box=None)
    for column in ("now",) if dry_run else ("before", "after", "freed"):
        table.add_column(column, justify="right")
    for record in records:
        figures = [record["before"]] if dry_run else [record["before"], record["after"], record["freed"]]
        table.add_row(record["where"], *(f"{figure / MIB:,.2f}" for figure in figures))
    return table
