"""A PostgreSQL connection shared by the threads of a process, reopened when it is lost."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import psycopg2
from psycopg2 import extensions

from coin_pipeline.database.timeouts import BATCH, WHERE, ConnectionTimeouts, require_responsive
from coin_pipeline.errors import DatabaseUnavailable, DataRefused
from coin_pipeline.retry import retry_until_available

T = TypeVar("T")
_UNAVAILABLE = ("08", "57P")
"""Classes of the error codes of a lost connection or a server shutdown; usually such errors have no code."""
Connection: TypeAlias = extensions.connection
Cursor: TypeAlias = extensions.cursor


class Session:
    """A database session that runs one unit of work at a time.

    Args:
        url: Connection URL.
        timeouts: Time limits of its connections.
    """

    def __init__(self, url: str, timeouts: ConnectionTimeouts = BATCH) -> None:
        self._url = url
        self._timeouts = timeouts
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Run idempotent work on a cursor; it is repeated on a new connection if the current one was lost.

        Args:
            work: The work; it may run more than once.

        Returns:
            What `work` returns.

        Raises:
            DatabaseUnavailable: The server cannot be reached, or rejects the statement.
            DataRefused: The server rejects a value.
        """
        return retry_until_available(lambda: self._run_once(work), is_unavailable)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _run_once(self, work: Callable[[Cursor], T]) -> T:
        require_responsive()
        with self._lock:
            require_responsive()  # again: the thread that held the lock may have waited in vain
            if self._connection is not None:
                try:
                    return _execute(self._connection, work)
                except psycopg2.Error:
                    self._drop()
            self._connection = connect(self._url, self._timeouts)
            try:
                return _execute(self._connection, work)
            except psycopg2.Error as error:
                self._drop()
                raise translated(error) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def database_time(session: Session) -> datetime:
    """Return the current time of the database server."""

    def read(cursor: Cursor) -> datetime:
        cursor.execute("select extract(epoch from clock_timestamp())::float8")
        return datetime.fromtimestamp((cursor.fetchone() or (0.0,))[0], UTC)

    return session.run(read)


def connect(url: str, timeouts: ConnectionTimeouts = BATCH) -> Connection:
    """Return a connection in autocommit mode.

    Args:
        url: Connection URL.
        timeouts: Time limits of the connection.

    Raises:
        DatabaseUnavailable: The server cannot be reached; the message contains no password.
    """
    require_responsive()
    url = psycopg2_url(url)
    try:
        connection: Connection = psycopg2.connect(url, **timeouts.parameters(url))
    except psycopg2.OperationalError as error:
        # The URL contains a password; libpq's own message names only host and port.
        raise DatabaseUnavailable(WHERE, str(error).strip()) from None
    connection.autocommit = True
    return connection


def psycopg2_url(url: str) -> str:
    """Return a URL in libpq's form, without SQLAlchemy's driver name."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def sqlalchemy_url(url: str) -> str:
    """Return a URL that names the driver: for SQLAlchemy 2.1, one without means psycopg 3."""
    return psycopg2_url(url).replace("postgresql://", "postgresql+psycopg2://", 1)


def translated(error: psycopg2.Error) -> DatabaseUnavailable | DataRefused:
    """Return the driver's error as one of the family; raise it from `error`, whose code `is_unavailable` reads."""
    reason = error.diag.message_primary or str(error).strip()  # the rest of the text quotes the statement
    return DataRefused(reason) if isinstance(error, psycopg2.DataError) else DatabaseUnavailable(WHERE, reason)


def is_unavailable(error: Exception) -> bool:
    """Return whether the server was unreachable or the connection was lost, as opposed to a rejected statement."""
    code = error.__cause__.pgcode if isinstance(error.__cause__, psycopg2.Error) else None
    return isinstance(error, DatabaseUnavailable) and (code is None or code.startswith(_UNAVAILABLE))


def _execute(connection: Connection, work: Callable[[Cursor], T]) -> T:
    with connection.cursor() as cursor:
        return work(cursor)
