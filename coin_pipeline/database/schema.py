"""The schema `coin` of the platform's tables next to Dagster's: its revision, upgrades and downgrades.

The migrations in `database/migrations` are the only code that creates, changes or removes tables of the schema.
"""

import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from psycopg2.errors import UndefinedTable

from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.database.timeouts import BATCH
from coin_pipeline.errors import DatabaseUnavailable, InvalidInput, Problem, SchemaNotChanged, UnknownRevision

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

_Command = Literal["upgrade", "downgrade"]
BASE = "base"
"""The state before the first revision: none of our tables."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_ID = 0x7461626C  # advisory lock; differs from every other lock held while tables are created
# The wait for the lock has no limit: another program may be changing large tables. That for a table has one, because
# all other statements on the table wait meanwhile.
_BEGIN = (
    f"set local statement_timeout = 0; set local lock_timeout = 0; select pg_advisory_xact_lock({_LOCK_ID});"
    f" set local lock_timeout = {BATCH.lock_ms}"
)
# `create schema if not exists` requires a permission on the database even if the schema exists.
_CREATE_SCHEMA = "do $$ begin if to_regnamespace('coin') is null then create schema coin; end if; end $$"
# The embedded server's role has the name of the schema, which is thus first on the search path: Dagster's tables are in
# it if `coin results list` was the first command of an earlier version. So our table is not named as Dagster's either.
_DROP_SCHEMA = """
drop table coin.schema_revision;
do $$ begin
    if not exists (select from pg_class where relnamespace = to_regnamespace('coin')) then drop schema coin; end if;
end $$
"""
_alembic_lock = threading.Lock()  # alembic keeps the current migration in global variables


def head() -> str:
    """Return the newest revision of this version of the platform."""
    return revisions()[-1]


def revisions() -> list[str]:
    """Return all revisions in order: the numbers that begin the names of their files."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def current(session: Session) -> str | None:
    """Return the revision of a database; None if its tables do not exist or predate the migrations.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def read(cursor: Cursor) -> str | None:
        try:
            cursor.execute("select version_num from coin.schema_revision")
        except UndefinedTable:
            return None
        row = cursor.fetchone()
        return str(row[0]) if row else None

    return session.run(read)


def is_current(url: str) -> bool:
    """Return whether a database has the newest revision.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
        UnknownRevision: A newer version of the platform has upgraded the database.
    """
    with closing(Session(url)) as session:
        revision = current(session)
    if revision is not None and revision not in revisions():
        raise UnknownRevision(revision, head())
    return revision == head()


def upgrade(url: str) -> None:
    """Create or upgrade the tables, in one transaction; concurrent processes take turns.

    Dagster's tables must exist: leases refer to its runs.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
        SchemaNotChanged: The server refused a statement, for example for lack of permission.
        UnknownRevision: A newer version of the platform has upgraded the database.
    """
    if not is_current(url):
        _change(url, "upgrade", head())


def downgrade(url: str, revision: str) -> None:
    """Return to an earlier revision, in one transaction; the tables that later ones added are removed.

    Args:
        url: Connection URL.
        revision: The revision, or BASE for none: the schema is removed.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
        SchemaNotChanged: The server refused a statement, for example for lack of permission.
        InvalidInput: There is no such revision.
        UnknownRevision: A newer version of the platform has upgraded the database.
    """
    if revision not in (BASE, *revisions()):
        reason = f"{revision!r} is not a revision; use {BASE} or one of {', '.join(revisions())}"
        raise InvalidInput([Problem("revision", reason)])
    is_current(url)  # raises if this version does not know the database's revision
    _change(url, "downgrade", revision)


def _change(url: str, command: _Command, revision: str) -> None:
    from alembic.config import Config  # noqa: PLC0415 -- most processes find a current database

    from coin_pipeline.database.engine import create_engine, run_transaction  # noqa: PLC0415 -- same

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = create_engine(url, BATCH)
    try:
        with _alembic_lock:
            run_transaction(engine, partial(_migrate, config, command, revision))
    except DatabaseUnavailable as error:
        if getattr(error.__cause__, "pgcode", None) is None:
            raise
        raise SchemaNotChanged(command, revision, error.reason) from error
    finally:
        engine.dispose()


def _migrate(config: "Config", command: _Command, revision: str, connection: "Connection") -> None:
    from alembic import command as alembic  # noqa: PLC0415 -- same

    connection.exec_driver_sql(_BEGIN)
    connection.exec_driver_sql(_CREATE_SCHEMA)
    config.attributes["connection"] = connection
    getattr(alembic, command)(config, revision)
    if revision == BASE:
        connection.exec_driver_sql(_DROP_SCHEMA)
