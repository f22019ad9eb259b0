"""The `coin candles check` command."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli.options import require_ordered_days
from coin_pipeline.errors import InvalidCandleFile

if TYPE_CHECKING:
    from coin_pipeline.candles.audit.report import AuditReport
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.timeframe import Timeframe

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL...]")
@click.option("--timeframe", "timeframes", multiple=True, help="Check only this timeframe; may be repeated.")
@click.option("--from", "first", type=_DAY, help="First day (Asia/Seoul).")
@click.option("--to", "last", type=_DAY, help="Last day, inclusive.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Check stored candles for problems and gaps.

    Prints a calendar of coverage and the findings for each series of the given SYMBOLs, or of all. Exits with 1 if a
    row is impossible on any market, or if a file is unreadable or was modified.
    """
    from coin_pipeline.candles.audit.report import audit_json
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.audit import print_audit
    from coin_pipeline.cli.views.console import new_console
    from coin_pipeline.settings import load_settings

    require_ordered_days(first, last)
    catalog = open_catalog(load_settings())
    days = first and first.date(), last and last.date()
    all_sound, documents, console = True, [], new_console()
    for audit in _audits(catalog, symbols, [parse_timeframe(text) for text in timeframes], days):
        all_sound = all_sound and audit.is_valid
        documents.append(audit_json(audit) if as_json else None)
        if not as_json:
            print_audit(console, audit)
    if as_json:
        click.echo(json.dumps(documents, indent=2))
    elif not documents:
        click.echo("no candles match; 'coin candles list' shows what is stored")
    if not all_sound:
        sys.exit(1)


def _audits(
    catalog: "CandleCatalog",
    symbols: Iterable[str],
    timeframes: "list[Timeframe]",
    days: tuple[date | None, date | None],
) -> "Iterator[AuditReport]":
    """Yield the audit of each series that is stored in the range."""
    from coin_pipeline.candles.audit.scan import audit_series
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import TIMEFRAMES
    from coin_pipeline.cli.views.progress import spinner

    for symbol in dict.fromkeys(map(parse_symbol, symbols)) or catalog.symbols():
        for timeframe in timeframes or TIMEFRAMES.values():
            if _is_stored(catalog, symbol, timeframe):
                with spinner(f"checking {symbol} {timeframe}"):
                    outcome = audit_series(catalog, symbol, timeframe, *days)
                if outcome.begin < outcome.end or outcome.findings:
                    yield outcome


def _is_stored(catalog: "CandleCatalog", symbol: str, timeframe: "Timeframe") -> bool:
    from coin_pipeline.candles.audit.raw_files import stored_files

    try:
        return bool(stored_files(catalog, symbol, timeframe))
    except InvalidCandleFile:  # stored twice, which the audit reports
        return True
