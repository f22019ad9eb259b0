"""Export of a result's table to a file or to standard output."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pyarrow as pa

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.output import output_file
from coin_pipeline.cli.views.progress import row_progress
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.results.table_formats import FORMATS, FormatName
from coin_pipeline.results.tables import ResultTable

TEXT_FORMATS = ("csv", "json")


def choose_format(requested: FormatName | None, output: str) -> FormatName:
    """Return the requested format, or else that of the file's suffix, or else CSV."""
    by_suffix = {known.suffix: name for name, known in FORMATS.items()}
    return requested or by_suffix.get(Path(output).suffix.lower(), "csv")


def export_to_file(table: ResultTable, chosen: FormatName, path: Path, *, force: bool) -> None:
    """Write a table to a file, which appears complete or not at all.

    Raises:
        InvalidInput: The file exists and `force` is False.
        StorageFailed: The file cannot be written; an existing one is unchanged.
    """
    with row_progress(f"writing {path.name}", table.rows) as advance, output_file(path, force=force) as file:
        file.writelines(FORMATS[chosen].encode(_observed(table, advance)))
    click.echo(f"{pluralize(table.rows, 'row')} of {table.name} written to {path}", err=True)


def export_to_stdout(table: ResultTable, chosen: FormatName) -> None:
    """Write a table to standard output.

    Raises:
        InvalidInput: Standard output is a terminal, and the format is not text.
    """
    output = sys.stdout.buffer
    if chosen not in TEXT_FORMATS and output.isatty():
        raise InvalidInput(
            [Problem("output", f"{chosen} is not text for a terminal; add --output FILE, or use a pipe")]
        )
    for chunk in FORMATS[chosen].encode(table):
        output.write(chunk)
    output.flush()


def _observed(table: ResultTable, advance: Callable[[int], None]) -> ResultTable:
    """Return a table that reports how many rows are read."""

    def read(offset: int) -> Iterator[pa.RecordBatch]:
        for batch in table.read(offset):
            yield batch
            advance(batch.num_rows)

    return table._replace(read=read)
