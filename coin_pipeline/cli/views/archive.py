"""What `coin results archive` moved."""

from collections.abc import Sequence

import click
from rich.filesize import decimal

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.results.archive import LEGACY, MovedResult


def print_moved(results: Sequence[MovedResult], place: str, *, dry_run: bool) -> bool:
    """Print the moved results and those that were left; return whether none of them is damaged.

    Args:
        results: What was moved or skipped.
        place: Where the results are now.
        dry_run: Whether nothing was moved.
    """
    moved = [result for result in results if not result.skipped]
    legacy = sum(result.skipped == LEGACY for result in results)
    damaged = [result for result in results if result.skipped not in {"", LEGACY}]
    for result in damaged:
        click.secho(f"{result.run_id}: not moved: {result.skipped}", fg="red", err=True)
    objects, size = sum(result.objects for result in moved), sum(result.size for result in moved)
    verb = "would be moved" if dry_run else "moved"
    click.echo(f"{pluralize(len(moved), 'result')}, {pluralize(objects, 'object')}, {decimal(size)} {verb} to {place}")
    if legacy:
        click.echo(f"{pluralize(legacy, 'result')} of the legacy platform kept; --include-legacy moves them too")
    return not damaged
