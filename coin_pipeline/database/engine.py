"""SQLAlchemy engines on the platform's database, and transactions that are repeated when the server asks for it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeVar

import psycopg2
import sqlalchemy
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from coin_pipeline.database.session import connect, is_unavailable, psycopg2_url, sqlalchemy_url, translated
from coin_pipeline.database.timeouts import BATCH, INTERACTIVE, WHERE, ConnectionTimeouts, require_responsive
from coin_pipeline.errors import DatabaseUnavailable, DataRefused
from coin_pipeline.retry import retry_until_available

T = TypeVar("T")
Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
_POOL, _POOL_OVERFLOW, _POOL_RECYCLE_S = 8, 20, 3600
_IDLE_S = 1.0
"""A connection unused for this long is tested at checkout."""
_CONFLICTS = ("40001", "40P01")
"""Codes of a serialization failure and a deadlock, after which the same transaction may succeed."""
_ATTEMPTS, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 20, 0.002, 0.2


def create_engine(url: str, timeouts: ConnectionTimeouts = BATCH) -> Engine:
    """Return a pool of connections in autocommit mode; broken ones are replaced.

    Args:
        url: Connection URL.
        timeouts: Time limits of its connections; INTERACTIVE in the API.
    """
    engine = sqlalchemy.create_engine(
        sqlalchemy_url(url),
        isolation_level="AUTOCOMMIT",
        pool_size=_POOL,
        max_overflow=_POOL_OVERFLOW,
        pool_recycle=_POOL_RECYCLE_S,
        pool_timeout=timeouts.connect_s,
        connect_args=timeouts.parameters(psycopg2_url(url)),
    )
    event.listen(engine, "checkin", _record_use)
    for moment in ("do_connect", "checkout"):
        event.listen(engine, moment, lambda *_: require_responsive())
    event.listen(engine, "checkout", _drop_if_dead)
    event.listen(engine, "handle_error", _discard_unresponsive)
    return engine


def fail_fast(engine: Engine) -> None:
    """Have the connections of an existing pool time out as requests need it.

    They raise DatabaseUnavailable. For the driver's own errors dagster-postgres would sleep and retry for six seconds.
    """
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()
    event.listen(engine, "do_connect", lambda *_: connect(url, INTERACTIVE))


def run_transaction(
    engine: Engine,
    work: Callable[[Connection], T],
    isolation: Isolation = "READ COMMITTED",
    *,
    read_only: bool = False,
) -> T:
    """Run idempotent work in a transaction, and commit it.

    The transaction is repeated after a serialization failure or a deadlock, and once if the connection was lost, even
    if that was during the commit: work that was committed may run again.

    Args:
        engine: The database.
        work: The work; it may run more than once. What it raises rolls the transaction back.
        isolation: Isolation level.
        read_only: Whether the server rejects changes.

    Returns:
        What `work` returns.

    Raises:
        DatabaseUnavailable: The server cannot be reached, rejects the statement, or other transactions keep winning.
        DataRefused: The server rejects a value.
    """
    return retry_until_available(lambda: _run(engine, work, isolation, read_only=read_only), is_unavailable)


def _run(engine: Engine, work: Callable[[Connection], T], isolation: Isolation, *, read_only: bool) -> T:
    lost = False
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with engine.connect() as connection, _transaction(connection, isolation, read_only=read_only):
                return work(connection)
        except PoolTimeout as error:
            raise DatabaseUnavailable(WHERE, "all connections of this process are in use") from error
        except DBAPIError as error:
            if error.connection_invalidated and not lost:
                lost = True
            elif _code(error) not in _CONFLICTS or attempt == _ATTEMPTS:
                raise _translated(error) from error.orig
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 -- no secret
    raise AssertionError  # the last attempt returns or raises


@contextmanager
def _transaction(connection: Connection, isolation: Isolation, *, read_only: bool) -> Iterator[None]:
    """Open a transaction on a connection in autocommit mode, and end it on exit.

    With the isolation level as an option of SQLAlchemy, psycopg2 would send three more statements per transaction, and
    SQLAlchemy would not translate their errors.
    """
    connection.exec_driver_sql(f"begin isolation level {isolation} read {'only' if read_only else 'write'}")
    try:
        yield
    except BaseException:
        with suppress(DBAPIError, PendingRollbackError):  # a lost connection, whose transaction the server rolls back
            connection.exec_driver_sql("rollback")
        raise
    connection.exec_driver_sql("commit")


def _code(error: DBAPIError) -> str | None:
    return getattr(error.orig, "pgcode", None)


def _translated(error: DBAPIError) -> DatabaseUnavailable | DataRefused:
    original = error.orig
    if isinstance(original, psycopg2.IntegrityError):
        return DataRefused(original.diag.message_primary or str(original).strip())
    return translated(original) if isinstance(original, psycopg2.Error) else DatabaseUnavailable(WHERE, str(original))


def _record_use(_: object, record: Any) -> None:  # noqa: ANN401 -- SQLAlchemy's own class is private
    record.info["used"] = time.monotonic()


def _drop_if_dead(connection: Any, record: Any, _: object) -> None:  # noqa: ANN401 -- psycopg2's own class is private
    """Have the pool replace a connection that a server restart has closed."""
    if time.monotonic() - record.info.get("used", 0.0) < _IDLE_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as error:
        raise DisconnectionError from error


def _discard_unresponsive(context: ExceptionContext) -> None:
    """Have the pool replace a connection that was closed because the server did not respond."""
    context.is_disconnect = context.is_disconnect or isinstance(context.original_exception, DatabaseUnavailable)
