"""What an import understood and changed."""

from collections.abc import Iterator, Mapping

import click

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.candles.imports.batch import FailedImport, ImportedSeries
from coin_pipeline.candles.imports.prepare import PreparedFile
from coin_pipeline.candles.imports.series import SeriesImport
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SEOUL_OFFSET_NS, format_duration, utc
from coin_pipeline.cli.views.candles import print_merge

_WIDTH = 9


def print_imported(imported: ImportedSeries) -> None:
    """Print a line per file and one for the series; for a dry run, how each file was understood."""
    planned = imported.planned
    for file in planned.files:
        click.echo(_summary(file))
        if imported.stored is None:
            for label, text in _details(file):
                click.echo(f"  {label:<{_WIDTH}} {text}")
        else:
            for note in file.notes:
                click.echo(f"  note: {note}")
    if planned.price_note:
        click.secho(f"  note: {planned.price_note}", fg="yellow")
    if planned.shifted:
        cause = "an import with another --tz or --stamps put them there"
        click.secho(f"  {planned.shifted}; {cause}, and they are {_removed(imported)}", fg="yellow")
    if imported.stored is None:
        _print_preview(planned)
    else:
        print_merge(planned.symbol, planned.timeframe, imported.stored)


def print_failed(failed: FailedImport) -> None:
    """Print why files were not stored; the message begins with the name of the first."""
    names = ", ".join(path.name for path in failed.paths[1:])
    more = f" (and so {names} was not stored)" if names else ""
    click.secho(f"not stored: {failed.error}{more}", fg="red", err=True)


def _summary(file: PreparedFile) -> str:
    time = file.candles.time
    span = f"{utc(time[0]):%Y-%m-%d %H:%M} to {utc(time[-1]):%Y-%m-%d %H:%M} UTC"
    left_out = f"; left out: {_counts(file.left_out)}" if file.left_out else ""
    return f"{file.path.name}: {file.symbol} {file.timeframe}, {pluralize(len(time), 'candle')}, {span}{left_out}"


def _details(file: PreparedFile) -> Iterator[tuple[str, str]]:
    read = file.understood
    yield "layout", read.layout
    yield "zone", str(read.zone)
    yield "order", read.order
    if read.spacing is not None:
        yield "spacing", format_duration(read.spacing)
    yield "columns", ", ".join(f"{field}={name}" for field, name in read.columns.items())
    yield "first", f"row {file.rows[0]}: {_candle(file.candles, 0)}"
    yield "last", f"row {file.rows[-1]}: {_candle(file.candles, -1)}"
    for note in file.notes:
        yield "note", note


def _candle(candles: OHLCV, row: int) -> str:
    time = int(candles.time[row])
    seoul = utc(time + SEOUL_OFFSET_NS)
    values = " ".join(
        f"{name} {value!r}" for name, value in zip(OHLCV._fields[1:], (c[row].item() for c in candles[1:]), strict=True)
    )
    return f"{utc(time):%Y-%m-%d %H:%M:%S} UTC ({seoul:%Y-%m-%d %H:%M:%S} KST), {values}"


def _removed(imported: ImportedSeries) -> str:
    return "to be replaced or removed" if imported.stored is None else "replaced or removed"


def _print_preview(planned: SeriesImport) -> None:
    changes = planned.changes
    removed = f", {changes.removed:,} removed" if changes.removed else ""
    counts = f"{changes.added:,} candles added, {changes.replaced:,} replaced, {changes.unchanged:,} unchanged{removed}"
    click.echo(f"{planned.symbol} {planned.timeframe}: {counts} (dry run: nothing was stored)")


def _counts(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
