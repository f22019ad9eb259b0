"""The console, and the formatting that all views share."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from coin_pipeline.errors import CoinError

MAX_LINES = 5
PIPE_WIDTH = 200
"""Columns of output that does not go to a terminal."""


def new_console() -> Console:
    """Return a console as wide as the terminal; a fixed width if the output is piped."""
    return Console(width=None if Console().is_terminal else PIPE_WIDTH, highlight=False)


def print_table(table: Table, empty: str) -> None:
    """Print a table, or the sentence `empty` if it has no rows."""
    if table.row_count:
        new_console().print(table)
    else:
        click.echo(empty)


def print_unreadable(errors: Sequence[CoinError]) -> None:
    """Print why items are missing from a list."""
    for error in errors:
        click.secho(f"not listed: {error}", fg="red", err=True)
