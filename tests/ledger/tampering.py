"""Changes of the ledger's tables that its triggers and constraints would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine


def tamper(engine: Engine, statement: str) -> None:
    """Run a statement without triggers, as a superuser can."""
    with engine.connect() as connection, connection.execution_options(isolation_level="READ COMMITTED").begin():
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text(statement))
