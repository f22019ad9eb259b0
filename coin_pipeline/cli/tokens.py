"""Commands on API tokens and on the audit log."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coin_pipeline.auth.scopes import Scope
    from coin_pipeline.database.session import Session

_SCOPES = ("read", "run", "trade", "admin")
"""Values of --scope; written out, so that help needs no other module."""
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def token() -> None:
    """Create, list and revoke the tokens of API clients and of users of the Dagster UI.

    Programs send a token as 'Authorization: Bearer TOKEN'; browsers ask for it as a password, with any user name.
    Tokens are required as soon as other machines can reach the servers (COIN_BIND), or with COIN_AUTH=on.
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(_SCOPES),
    help="What it permits; may be repeated. Each includes read, and admin includes all.",
)
@click.option("--expires", metavar="DAYS|DATE", help="When it stops working: 90d, or 2030-12-31 (UTC).")
def create(name: str, scopes: "tuple[Scope, ...]", expires: str | None) -> None:
    """Create a token for NAME, such as the client that uses it, and print it once.

    \b
    coin token create notebook --scope run --expires 90d
    """
    from coin_pipeline.auth.audit import record_command
    from coin_pipeline.auth.tokens import create_token
    from coin_pipeline.database.session import database_time

    with _open() as session:
        expires_at = expires and _expiry(expires, database_time(session))
        secret = create_token(session, name, scopes, expires_at or None)
        record_command(session, "coin token create", name)
    click.echo(secret)
    click.secho("Store it now: it is not shown again.", dim=True, err=True)


@token.command("list")
@click.option("--all", "everything", is_flag=True, help="Include revoked tokens.")
@options.as_json
def list_stored(*, everything: bool, as_json: bool) -> None:
    """List tokens with their scopes, without their secrets."""
    from coin_pipeline.auth.tokens import list_tokens
    from coin_pipeline.cli.views.tokens import print_json, print_tokens
    from coin_pipeline.database.session import database_time

    with _open() as session:
        rows = [row for row in list_tokens(session) if everything or row.revoked_at is None]
        if as_json:
            print_json(rows)
        else:
            print_tokens(rows, database_time(session))


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke the token NAME; servers refuse it within a second, and end its open streams."""
    from coin_pipeline.auth.audit import record_command
    from coin_pipeline.auth.tokens import revoke_token

    with _open() as session:
        revoke_token(session, name)
        record_command(session, "coin token revoke", name)
    click.echo(f"token {name} is revoked")


@click.group()
def audit() -> None:
    """Show who changed what through the API, the Dagster UI and 'coin token'.

    Entries are kept for COIN_AUDIT_DAYS.
    """


@audit.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest entries to list.")
@click.option("--actor", help="Only entries of this token or user.")
@click.option("--target", help="Only entries that concern this task, position, market or token.")
@click.option("--since", type=_DAY, help="From this day (UTC) on.")
@click.option("--until", type=_DAY, help="Up to and including this day (UTC).")
@click.option("--refused", is_flag=True, help="Only requests that were refused or failed.")
@options.as_json
def list_entries(
    limit: int,
    actor: str | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    refused: bool,
    as_json: bool,
) -> None:
    """List entries, the newest first: who did what, when, and with which outcome.

    \b
    coin audit list --since 2030-01-01 --actor ci
    coin audit list --refused --json
    """
    from coin_pipeline.auth import audit as log
    from coin_pipeline.cli.views.tokens import print_entries, print_json

    options.require_ordered_days(since, until)
    which = log.AuditFilter(
        actor,
        since and since.replace(tzinfo=UTC),
        until and until.replace(tzinfo=UTC) + timedelta(days=1),
        target,
        refused,
    )
    with _open() as session:
        rows = log.list_entries(session, which, limit)
    if as_json:
        print_json(rows)
    else:
        print_entries(rows)


def _expiry(text: str, now: datetime) -> datetime:
    """Return the time of `90d` or of a date.

    >>> _expiry("90d", datetime(2030, 1, 1, tzinfo=UTC)).date().isoformat()
    '2030-04-01'
    """
    from coin_pipeline.errors import InvalidInput, Problem

    if match := re.fullmatch(r"([1-9]\d{0,3})d", text):
        return now + timedelta(days=int(match[1]))
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput([Problem("--expires", f"{text!r:.60} is neither days, such as 90d, nor a date")]) from None


@contextmanager
def _open() -> "Iterator[Session]":
    from contextlib import closing

    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.session import Session
    from coin_pipeline.settings import load_settings

    with closing(Session(ready_database(load_settings()))) as session:
        yield session
