"""Creation of the database that DATABASE_URL names."""

from contextlib import closing
from typing import Any

from psycopg2 import errors, extensions, sql

from coin_pipeline.database.session import Connection, connect, psycopg2_url
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.errors import DatabaseUnavailable

_MAINTENANCE = "postgres"
"""The database that every server has; one that does not exist can only be created from another."""
_CREATED_MEANWHILE = (errors.DuplicateDatabase, errors.UniqueViolation)


def ensure_database(url: str) -> bool:
    """Create the database of a URL if its server does not have it; safe to call from several processes at once.

    Returns:
        Whether it was created.

    Raises:
        DatabaseUnavailable: The server cannot be reached, or refuses to create the database.
    """
    try:
        connect(url, INTERACTIVE).close()
    except DatabaseUnavailable as error:
        return _create_if_missing(psycopg2_url(url), error)
    return False


def _create_if_missing(url: str, refusal: DatabaseUnavailable) -> bool:
    """Create the database; raise `refusal` if the server has it, so that something else is wrong."""
    name = _database_of(url)
    with closing(connect(extensions.make_dsn(url, dbname=_MAINTENANCE), INTERACTIVE)) as connection:
        if _exists(connection, name):
            raise refusal
        with connection.cursor() as cursor:
            try:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except _CREATED_MEANWHILE:
                return False
            except errors.InsufficientPrivilege:
                reason = f"the database {name!r} does not exist, and its user may not create it; create it first"
                raise DatabaseUnavailable("DATABASE_URL", reason) from None
    return True


def _exists(connection: Connection, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select from pg_database where datname = %s", (name,))
        return cursor.fetchone() is not None


def _database_of(url: str) -> str:
    """Return the name of a URL's database, which defaults to that of the user."""
    parts: dict[str, Any] = extensions.parse_dsn(url)
    return str(parts.get("dbname") or parts.get("user") or "")
