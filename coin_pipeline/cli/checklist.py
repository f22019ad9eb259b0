"""The checklist of the move on a terminal, and as JSON."""

import json
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coin_pipeline.migration.item import Item, Outcome, Section

Looked = Sequence[tuple[Section, Item, Outcome]]
_STYLES = {"pass": "green", "fail": "bold red", "n/a": "dim"}


def print_checklist(looked: Looked) -> None:
    """Print a table with a heading for each section, and how many items passed, failed and do not apply."""
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
    Console(highlight=False).print(table)
    click.echo(f"\n{_counted(looked)}")


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
        }
        for section, item, outcome in looked
    ]
    counts = Counter(outcome.status for _, _, outcome in looked)
    click.echo(json.dumps({"items": items, "counts": counts}, ensure_ascii=False, indent=2))


def _counted(looked: Looked) -> str:
    counts = Counter(outcome.status for _, _, outcome in looked)
    return f"{len(looked)} items: {counts['pass']} pass, {counts['fail']} fail, {counts['n/a']} n/a"
