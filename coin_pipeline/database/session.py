"""One connection to PostgreSQL that the threads of a process share, opened anew when it was cut."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import psycopg2
from psycopg2 import extensions

from coin_pipeline.errors import DatabaseUnavailable, DataRefused
from coin_pipeline.retry import retry_until_available

T = TypeVar("T")
_GOING_AWAY = ("08", "57P")
"""Codes of errors of a server that shuts down, or of a connection that is broken; most often there is none."""
Connection: TypeAlias = extensions.connection
Cursor: TypeAlias = extensions.cursor


class Session:
    """Work on the database, one piece at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Do something that may be done twice: a connection that has been cut is replaced.

        Raises:
            DatabaseUnavailable: the server cannot be reached, or refuses.
            DataRefused: it takes no such value.
        """
        return retry_until_available(lambda: self._do(work), _is_away)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    def _do(self, work: Callable[[Cursor], T]) -> T:
        with self._lock:
            if self._connection is not None:
                try:
                    return _on(self._connection, work)
                except psycopg2.Error:
                    self._drop()
            self._connection = connect(self._url)
            try:
                return _on(self._connection, work)
            except psycopg2.DataError as error:
                self._drop()
                raise DataRefused(error.diag.message_primary or str(error).strip()) from error
            except psycopg2.Error as error:
                self._drop()
                raise DatabaseUnavailable("DATABASE_URL or DATA_ROOT/postgres", str(error).strip()) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def database_time(session: Session) -> datetime:
    """Return what time it is by the database."""

    def read(cursor: Cursor) -> datetime:
        cursor.execute("select extract(epoch from clock_timestamp())::float8")
        return datetime.fromtimestamp((cursor.fetchone() or (0.0,))[0], UTC)

    return session.run(read)


def connect(url: str) -> Connection:
    """Return a connection in autocommit mode that notices within some 15 seconds that its server is gone.

    Raises:
        DatabaseUnavailable: the server cannot be reached; the message holds no password.
    """
    try:
        connection = psycopg2.connect(
            psycopg2_url(url), connect_timeout=10, keepalives_idle=5, keepalives_interval=5, keepalives_count=2
        )
    except psycopg2.OperationalError as error:
        # The URL holds a password; libpq's own message names host and port only.
        raise DatabaseUnavailable("DATABASE_URL or DATA_ROOT/postgres", str(error).strip()) from None
    connection.autocommit = True
    return connection


def psycopg2_url(url: str) -> str:
    """Return a URL as libpq reads it, whatever SQLAlchemy was told in it."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def _is_away(error: Exception) -> bool:
    """Tell whether the server was not there, or went away; not whether it refused."""
    code = error.__cause__.pgcode if isinstance(error.__cause__, psycopg2.Error) else None
    return isinstance(error, DatabaseUnavailable) and (code is None or code.startswith(_GOING_AWAY))


def _on(connection: Connection, work: Callable[[Cursor], T]) -> T:
    with connection.cursor() as cursor:
        return work(cursor)
