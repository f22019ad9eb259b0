"""API tokens and the audit log on the terminal."""

import json
from collections.abc import Sequence
from datetime import datetime

import click
from rich.markup import escape
from rich.table import Table

from coin_pipeline.auth.audit import AuditEntry
from coin_pipeline.auth.tokens import Token
from coin_pipeline.cli.views.console import print_table

_TIME = "%Y-%m-%d %H:%M"
_FIRST_ERROR = 400


def print_tokens(rows: Sequence[Token], now: datetime) -> None:
    """Print tokens as of a time."""
    table = _table("name", "scopes", "created (UTC)", "expires (UTC)", "state")
    for row in rows:
        expires = f"{row.expires_at:{_TIME}}" if row.expires_at else "never"
        table.add_row(row.name, " ".join(row.scopes), f"{row.created_at:{_TIME}}", expires, _state(row, now))
    print_table(table, "no tokens; 'coin token create NAME --scope run' creates one")


def print_entries(rows: Sequence[AuditEntry]) -> None:
    """Print entries of the audit log."""
    table = _table("time (UTC)", "who", "from", "status", "what", "target")
    for row in rows:
        failed = row.status is None or row.status >= _FIRST_ERROR
        status = f"[{'red' if failed else 'green'}]{row.status or 'gone'}[/]"
        what = row.route if row.method == "CLI" else f"{row.method} {row.route}"
        who = escape(row.actor or "-")
        table.add_row(f"{row.at:{_TIME}:%S}", who, escape(row.client), status, escape(what), escape(row.target or "-"))
    print_table(table, "no entries")


def print_json(rows: Sequence[Token] | Sequence[AuditEntry]) -> None:
    """Print rows as JSON."""
    click.echo(json.dumps([row._asdict() for row in rows], default=_format, ensure_ascii=False))


def _format(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _state(row: Token, now: datetime) -> str:
    if row.revoked_at:
        return f"[red]revoked {row.revoked_at:{_TIME}}[/]"
    return "[red]expired[/]" if row.expires_at and row.expires_at <= now else "[green]usable[/]"


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in {"name", "state", "status"})
    return table
