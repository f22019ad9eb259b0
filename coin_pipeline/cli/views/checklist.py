"""The checklist of the move on a terminal, and as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text

from coin_pipeline.cli.views.backtest import new_console
from coin_pipeline.migration.checklist.item import STATUSES, ChecklistItem, ChecklistOutcome, Section

Looked = Sequence[tuple[Section, ChecklistItem, ChecklistOutcome]]
_STYLES = {"pass": "green", "fail": "bold red", "missing": "yellow", "n/a": "dim"}


def print_checklist(looked: Looked) -> None:
    """Print a table with a heading for each section, what is to be done, and how many items have which status."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=2)
    table.add_column(ratio=3, overflow="fold")
    before = None
    for section, item, outcome in looked:
        if section != before:
            table.add_row("", "", "") if before else None
            table.add_row(Text(section.number, "bold"), Text(section.title, "bold"))
        before = section
        style = _STYLES[outcome.status]
        table.add_row(Text(outcome.status, style), Text(item.text), Text(outcome.detail, style))
    new_console().print(table)
    for line in ("", *_to_do(looked), _counted(looked)):
        click.echo(line)


def print_json(looked: Looked) -> None:
    """Print a list of items, and the counts."""
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
        for section, item, outcome in looked
    ]
    click.echo(json.dumps({"items": items, "counts": _counts(looked)}, ensure_ascii=False, indent=2))


def _to_do(looked: Looked) -> Iterator[str]:
    """Yield what puts failing items right, each command or sentence once, with how many items it is for."""
    wanted = Counter(outcome.command or outcome.detail for _, _, outcome in looked if outcome.status == "fail")
    if wanted:
        yield "To do:"
    for what, items in wanted.items():
        yield f"  {what}" + (f"  ({items} items)" if items > 1 else "")
    if wanted:
        yield ""


def _counts(looked: Looked) -> dict[str, int]:
    counts = Counter(outcome.status for _, _, outcome in looked)
    return {status: counts[status] for status in STATUSES}


def _counted(looked: Looked) -> str:
    return f"{len(looked)} items: " + ", ".join(f"{count} {status}" for status, count in _counts(looked).items())
