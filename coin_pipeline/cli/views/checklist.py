"""The migration checklist as a table and as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text

from coin_pipeline.cli.views.console import new_console
from coin_pipeline.migration.checklist.item import STATUSES, ChecklistItem, ChecklistOutcome, Section

CheckedItems = Sequence[tuple[Section, ChecklistItem, ChecklistOutcome]]
_STYLES = {"pass": "green", "fail": "bold red", "replaced": "cyan", "manual": "yellow", "n/a": "dim"}


def print_checklist(checked: CheckedItems) -> None:
    """Print the items by section, the remedies for those that fail, and the number of items per status."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=2)
    table.add_column(ratio=3, overflow="fold")
    previous = None
    for section, item, outcome in checked:
        if section != previous:
            table.add_row("", "", "") if previous else None
            table.add_row(Text(section.number, "bold"), Text(section.title, "bold"))
        previous = section
        style = _STYLES[outcome.status]
        table.add_row(Text(outcome.status, style), Text(item.text), Text(outcome.detail, style))
    new_console().print(table)
    for line in ("", *_remedies(checked), _summary(checked)):
        click.echo(line)


def print_json(checked: CheckedItems) -> None:
    """Print the items and the counts as one JSON object."""
    items = [
        {
            "id": item.id,
            "section": section.number,
            "title": section.title,
            "text": item.text,
            "status": outcome.status,
            "detail": outcome.detail,
            "command": outcome.command or None,
        }
        for section, item, outcome in checked
    ]
    click.echo(json.dumps({"items": items, "counts": _counts(checked)}, indent=2))


def _remedies(checked: CheckedItems) -> Iterator[str]:
    """Yield the command or sentence that fixes failing items, each once, with the number of items it fixes."""
    remedies = Counter(outcome.command or outcome.detail for _, _, outcome in checked if outcome.status == "fail")
    if remedies:
        yield "To do:"
    for remedy, items in remedies.items():
        yield f"  {remedy}" + (f"  ({items} items)" if items > 1 else "")
    if remedies:
        yield ""


def _counts(checked: CheckedItems) -> dict[str, int]:
    counts = Counter(outcome.status for _, _, outcome in checked)
    return {status: counts[status] for status in STATUSES}


def _summary(checked: CheckedItems) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in _counts(checked).items())
    return f"{len(checked)} items: {counts}"
