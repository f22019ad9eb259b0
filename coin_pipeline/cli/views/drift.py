"""The drift report of a forward test in the terminal."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import format_signed_amount
from coin_pipeline.cli.views.console import new_console
from coin_pipeline.languages import Language
from coin_pipeline.report.forward_page import render_drift_report
from coin_pipeline.storage.atomic import translate_os_errors


def print_drift(document: dict[str, Any]) -> None:
    """Print the headline, the causes of the difference and what failed.

    Args:
        document: Document from `forward.drift.document.drift_json`.
    """
    console, decisions = new_console(), document["decisions"]
    click.echo(f"{document['strategy']} on {', '.join(document['symbols'])}, {document['timeframe']} candles")
    first, last = (document[name][:16].replace("T", " ") for name in ("start", "end"))
    click.echo(f"{first} to {last} UTC")
    click.echo(f"{decisions['equal']:,} of {decisions['total']:,} decisions equal, {decisions['late']:,} late")
    for account in document["accounts"]:
        click.echo()
        console.print(_causes(account))
    click.echo(f"\n{document['edge']['verdict']}")
    for problem in document["problems"]:
        click.secho(problem, fg="red", err=True)


def write_page(document: dict[str, Any], output: Path, language: Language) -> None:
    """Write the report as a self-contained page.

    Raises:
        StorageFailed: The file cannot be written.
    """
    with translate_os_errors(output):
        output.write_text(render_drift_report(document, language), encoding="utf-8")


def _causes(account: dict[str, Any]) -> Table:
    quote = account["quote"]
    table = Table(quote, box=None)
    for column in ("count", "amount", "profit"):
        table.add_column(column, justify="right")

    def money(amount: float) -> str:
        return format_signed_amount(amount, quote, unit=False)

    table.add_row("Backtest", "", "", money(account["backtest_pnl"]))
    for cause in account["causes"]:
        if cause["count"]:
            table.add_row(cause["label"], f"{cause['count']:,}", money(cause["amount"]), money(cause["sum"]))
    table.add_row("Unexplained", "", money(account["residual"]), money(account["forward_pnl"]))
    return table
