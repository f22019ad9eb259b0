"""Alerts on the terminal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click
from rich.markup import escape
from rich.table import Table

from coin_pipeline.alerts.model import AlertRow, AlertState, DeliveryRow, Incident
from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.views.console import new_console, print_table
from coin_pipeline.notifications.message import Delivery

WIDE = 110
"""Terminal columns from which the keys of the incidents fit."""
SHOWN = 20
"""Open incidents to print."""
_TIME = "%Y-%m-%d %H:%M"
_COLORS = {"info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}


def print_alerts(
    rows: Sequence[AlertRow], state: AlertState | None, incidents: Mapping[str, Incident], *, is_paused: bool
) -> None:
    """Print alerts of a state, or all, then why some were not delivered, and what is open."""
    table = _table(rows, is_wide=new_console().width >= WIDE)
    print_table(table, f"no alerts in state {state}" if state else "no alerts; 'coin alerts test' tests the channels")
    undelivered = [(row, delivery) for row in rows for delivery in row.deliveries if delivery.reason]
    if undelivered:
        click.echo()
    for row, delivery in undelivered:
        click.secho(f"alert {row.alert_id}: {_describe(delivery)}", fg="red" if delivery.state == "given up" else None)
    if incidents:
        click.echo(f"\n{pluralize(len(incidents), 'open incident')}:")
        for key, incident in [*incidents.items()][:SHOWN]:
            click.echo(f"  {key}, since {incident.opened_at:{_TIME}}")
        if len(incidents) > SHOWN:
            click.echo(f"  and {len(incidents) - SHOWN:,} more")
    if is_paused:
        click.secho("\nno alerts are sent since a restore; 'coin database resume' starts them", fg="yellow")


def print_json(rows: Sequence[AlertRow]) -> None:
    """Print alerts as JSON."""
    click.echo(json.dumps([_document(row) for row in rows], default=str, ensure_ascii=False))


def print_delivery(channel: str, delivery: Delivery) -> None:
    """Print whether a channel delivered a notification."""
    if delivery:
        click.secho(f"{channel}: delivered{f', but {delivery.reason}' if delivery.reason else ''}", fg="green")
    else:
        click.secho(f"{channel}: not delivered: {delivery.reason}", fg="red")


def _table(rows: Sequence[AlertRow], *, is_wide: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", no_wrap=True, justify="right")
    for name in ("recorded (UTC)", "level", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("alert", overflow="fold")
    if is_wide:
        table.add_column("incident", overflow="fold")
    for row in rows:
        level = "recovery" if row.is_recovery else row.notification.level
        color = _COLORS[row.notification.level]
        values = f"{row.recorded_at:{_TIME}}", f"[{color}]{level}[/]", row.state, escape(row.notification.title)
        table.add_row(str(row.alert_id), *values, *([escape(row.key)] if is_wide else []))
    return table


def _describe(delivery: DeliveryRow) -> str:
    attempts = pluralize(delivery.attempts, "attempt")
    if delivery.state == "given up":
        return f"given up by {delivery.channel} after {attempts}: {delivery.reason}"
    if delivery.state == "pending":
        return f"{delivery.channel} tries again at {delivery.due_at:{_TIME}} UTC, after {attempts}: {delivery.reason}"
    return f"{delivery.state} by {delivery.channel}: {delivery.reason}"


def _document(row: AlertRow) -> dict[str, object]:
    return {
        **row._asdict(),
        "notification": asdict(row.notification),
        "deliveries": [delivery._asdict() for delivery in row.deliveries],
    }
