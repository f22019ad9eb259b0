"""Options that more than one command takes."""

from pathlib import Path

import click

strategy_files = click.option(
    "--strategy-file",
    "strategy_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .py file with strategies of your own; may be repeated.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the stored document instead of a summary.")
