"""Looking at stored candles: what is wrong with them, and which are there."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from coin_pipeline.errors import InvalidCandleFile, InvalidInput, Problem

if TYPE_CHECKING:
    from rich.console import Console

    from coin_pipeline.candles.audit.findings import Example
    from coin_pipeline.candles.audit.scan import AuditReport
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.timeframe import Timeframe

_DAY = click.DateTime(["%Y-%m-%d"])
_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL...]")
@click.option("--timeframe", "timeframes", multiple=True, help="Only this one; may be repeated.")
@click.option("--from", "first", type=_DAY, help="First day, Asia/Seoul.")
@click.option("--to", "last", type=_DAY, help="Last day, included.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Look at every stored candle of SYMBOLs, or of all: what is wrong, and a calendar of what is there.

    Exits with 1 if a row is found that no market produces, or a file that cannot be read or was changed.
    """
    from coin_pipeline.candles.audit.scan import audit_json
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.backtest import new_console
    from coin_pipeline.settings import load_settings

    if first and last and first > last:
        raise InvalidInput([Problem("to", f"{last:%Y-%m-%d} is before --from {first:%Y-%m-%d}")])
    catalog = CandleCatalog(load_settings().data_root)
    days = first and first.date(), last and last.date()
    found, console = [], new_console()
    for each in _audits(catalog, symbols, [parse_timeframe(text) for text in timeframes], days):
        found.append((each.is_valid, audit_json(each) if as_json else None))
        if not as_json:
            _print(console, each)
    if as_json:
        click.echo(json.dumps([told for _, told in found], indent=2))
    elif not found:
        click.echo("no such candles are stored; 'coin candles list' names those that are")
    if not all(sound for sound, _ in found):
        sys.exit(1)


def _audits(
    catalog: "CandleCatalog",
    symbols: Iterable[str],
    timeframes: "list[Timeframe]",
    days: tuple[date | None, date | None],
) -> "Iterator[AuditReport]":
    """Look at one stored series after another."""
    from coin_pipeline.candles.audit.scan import audit_series
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import TIMEFRAMES
    from coin_pipeline.candles.year_files.paths import stored_symbols
    from coin_pipeline.cli.views.progress import busy

    for symbol in dict.fromkeys(map(parse_symbol, symbols)) or stored_symbols(catalog.root):
        for timeframe in timeframes or TIMEFRAMES.values():
            if _is_stored(catalog, symbol, timeframe):
                with busy(f"looking at {symbol} {timeframe}"):
                    found = audit_series(catalog, symbol, timeframe, *days)
                yield found


def _is_stored(catalog: "CandleCatalog", symbol: str, timeframe: "Timeframe") -> bool:
    from coin_pipeline.candles.audit.raw_files import stored_files

    try:
        return bool(stored_files(catalog, symbol, timeframe))
    except InvalidCandleFile:  # it is stored twice, which the audit says
        return True


def _print(console: "Console", found: "AuditReport") -> None:
    from rich.padding import Padding

    from coin_pipeline.cli.views.calendar import calendar

    for line in _heading(found):
        console.print(line)
    console.print()
    for picture in calendar(found):
        console.print(picture)
    console.print()
    for finding in found.findings:
        console.print(
            f"{finding.severity:<8} {finding.kind.replace('_', ' ')}: {finding.occurrences:,}",
            style=_COLOURS[finding.severity],
        )
        for example in finding.examples:
            console.print(Padding(_example(example), (0, 0, 0, 9), expand=False))
    if not found.findings:
        console.print("nothing is wrong", style="green")
    console.print()


def _heading(found: "AuditReport") -> Iterator[str]:
    from coin_pipeline.candles.timeframe import utc
    from coin_pipeline.cli.views.candles import share

    present, no_trade, not_fetched = found.totals
    expected = present + no_trade + not_fetched
    begin, end = utc(found.begin), utc(found.end)
    yield f"[bold]{found.symbol} {found.timeframe}[/bold]  {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    yield (
        f"{present:,} candles ({share(present, expected)}), {no_trade:,} without a trade, {not_fetched:,} not fetched"
        f" ({share(present + no_trade, expected)} known)"
    )
    if found.provenance.fetched:
        yield f"fetched from {found.provenance.source} until {utc(found.provenance.fetched[-1][1]):%Y-%m-%d %H:%M} UTC"


def _example(example: "Example") -> str:
    from coin_pipeline.candles.timeframe import utc

    time = "" if example.time is None else f"{utc(example.time):%Y-%m-%d %H:%M}  "
    row = "" if example.row is None else f" row {example.row:,}"
    place = "" if example.file is None else f"{example.file.rpartition('/')[2]}{row} "
    return f"{time}{place}{example.message}"
