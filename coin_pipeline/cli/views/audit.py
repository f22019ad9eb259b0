"""Findings of an audit of stored candles."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding

from coin_pipeline.candles.audit.findings import Example
from coin_pipeline.candles.audit.report import AuditReport
from coin_pipeline.candles.timeframe import utc
from coin_pipeline.cli.views.calendar import calendar_lines
from coin_pipeline.cli.views.candles import format_share

_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


def print_audit(console: Console, audit: AuditReport) -> None:
    """Print the coverage, the calendar and the findings of one series."""
    for line in _heading(audit):
        console.print(line)
    console.print()
    for row in calendar_lines(audit):
        console.print(row)
    console.print()
    for finding in audit.findings:
        console.print(
            f"{finding.severity:<8} {finding.kind.replace('_', ' ')}: {finding.occurrences:,}",
            style=_COLOURS[finding.severity],
        )
        for example in finding.examples:
            console.print(Padding(_example(example), (0, 0, 0, 9), expand=False))
    if not audit.findings:
        console.print("no problems found", style="green")
    console.print()


def _heading(audit: AuditReport) -> Iterator[str]:
    present, no_trade, not_fetched = audit.totals
    expected = present + no_trade + not_fetched
    begin, end = utc(audit.begin), utc(audit.end)
    yield f"[bold]{audit.symbol} {audit.timeframe}[/bold]  {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    yield (
        f"{present:,} candles ({format_share(present, expected)}), {no_trade:,} without a trade,"
        f" {not_fetched:,} not fetched ({format_share(present + no_trade, expected)} known)"
    )
    if audit.provenance.fetched and audit.provenance.source:
        yield f"fetched from {audit.provenance.source} until {utc(audit.provenance.fetched[-1][1]):%Y-%m-%d %H:%M} UTC"


def _example(example: Example) -> str:
    time = "" if example.time is None else f"{utc(example.time):%Y-%m-%d %H:%M}  "
    row = "" if example.row is None else f" row {example.row:,}"
    file = "" if example.file is None else f"{example.file.rpartition('/')[2]}{row} "
    return f"{time}{file}{example.message}"
