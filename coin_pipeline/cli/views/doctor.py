"""The checks of an installation as a table and as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text as Styled

from coin_pipeline.alerts.texts import Writer
from coin_pipeline.cli.views.console import new_console
from coin_pipeline.doctor.model import STATES, Check
from coin_pipeline.languages import Language, Text

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}
_STATE = {"ok": Text("ok", "정상"), "warning": Text("warning", "주의"), "failed": Text("failed", "실패")}
_TO_DO = Text("To do:", "조치:")
_SUMMARY = Text("{ok} ok, {warning} warnings, {failed} failed", "정상 {ok}, 주의 {warning}, 실패 {failed}")


def print_checks(checks: Sequence[Check], language: Language) -> None:
    """Print a line for each check, then what to do, and the number of checks in each state."""
    write = Writer(language, "").write
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        style = _STYLES[check.state]
        found = Styled(check.found, "red" if check.state == "failed" else "")  # yellow is faint on a light background
        table.add_row(Styled(write(_STATE[check.state]), style), Styled(check.title), found)
    console = new_console()
    console.print(table)
    advice = list(_advice(checks))
    if advice:
        console.print(f"\n{write(_TO_DO)}")
        console.print(_list(advice))
    click.echo(f"\n{write(_SUMMARY, **_counts(checks))}")


def print_json(checks: Sequence[Check]) -> None:
    """Print the checks, and the number of checks in each state, as one JSON object."""
    document = {"checks": [check._asdict() for check in checks], "counts": _counts(checks)}
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _advice(checks: Sequence[Check]) -> Iterator[tuple[str, str]]:
    """Yield each advice once, with the checks that it is for; failed ones first."""
    by_advice: dict[str, list[str]] = {}
    for check in sorted(checks, key=lambda check: -STATES.index(check.state)):
        if check.advice:
            by_advice.setdefault(check.advice, []).append(check.title)
    for advice, titles in by_advice.items():
        yield ", ".join(titles), advice


def _list(advice: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), pad_edge=True, show_header=False)
    table.add_column(max_width=30, overflow="fold")
    table.add_column(overflow="fold")
    for titles, text in advice:
        table.add_row(Styled(titles, "bold"), Styled(text))
    return table


def _counts(checks: Sequence[Check]) -> dict[str, int]:
    counts = Counter(check.state for check in checks)
    return {state: counts[state] for state in STATES}
