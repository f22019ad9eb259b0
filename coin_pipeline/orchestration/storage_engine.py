"""The connection pool of Dagster's storages: broken connections are replaced, and requests fail fast."""

import time
from typing import Any

import psycopg2
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import DisconnectionError

from coin_pipeline.database.session import connect, psycopg2_url
from coin_pipeline.database.timeouts import BATCH, INTERACTIVE, require_responsive
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.orchestration._dagster_internals import create_pg_engine

_TIMEOUTS = BATCH._replace(statement_ms=60_000, idle_in_transaction_ms=5_000)
"""A process that is suspended while it changes a run must not block others from changing it."""
_POOL, _POOL_OVERFLOW, _POOL_RECYCLE_S = 8, 20, 3600
_IDLE_S = 1.0
"""A connection unused for this long is tested at checkout."""


def open_engine(url: str) -> Engine:
    """Return a connection pool in autocommit mode."""
    engine = create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_POOL,
        max_overflow=_POOL_OVERFLOW,
        pool_recycle=_POOL_RECYCLE_S,
        connect_args=_TIMEOUTS.parameters(psycopg2_url(url)),
    )
    event.listen(engine, "checkin", _record_use)
    event.listen(engine, "checkout", _drop_if_dead)
    return engine


def fail_fast(engine: Engine) -> None:
    """Have the connections of a pool time out as requests need it.

    They raise DatabaseUnavailable. For the driver's own errors dagster-postgres would sleep and retry for six seconds.
    """
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()
    event.listen(engine, "do_connect", lambda *_: connect(url, INTERACTIVE))
    event.listen(engine, "checkout", lambda *_: require_responsive(), insert=True)
    event.listen(engine, "handle_error", _discard_unresponsive)


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
