"""Space of removed rows: made reusable after each retention, and returned to the disk when most of a table is empty."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
from psycopg2 import sql

from coin_pipeline.database.session import Cursor, connect

TABLES = (
    *("event_logs", "runs", "run_tags", "job_ticks", "coin.result", "coin.reuse", "coin.lease", "coin.queued_run"),
    *("coin.position", "coin.position_total", "coin.forward_symbol", "coin.audit_entry"),
)
"""Tables whose rows are removed or rewritten; a database may contain tables of other programs."""
MIN_BYTES = 32 << 20
"""A smaller table is left as it is."""
MAX_LIVE_BYTES = 512 << 20
"""A table with more data than this is not rewritten: it is locked meanwhile, for about 2 s per 100 MiB."""
_LOCK_TIMEOUT = "2s"
_SAMPLED_ROWS = 2000
_ROW_OVERHEAD_BYTES = 28


def database_bytes(url: str) -> int:
    """Return the size of a database in bytes.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        return int(_value(cursor, sql.SQL("select pg_database_size(current_database())")))


def reclaim_space(url: str, is_idle: Callable[[], bool]) -> list[str]:
    """Vacuum the tables of the platform, and rewrite those that are more than half empty while no run is active.

    Autovacuum starts at a fifth of dead rows, and returns space only at the end of a file. Rewriting a table locks
    it; if the lock is not free within two seconds, the next retention tries again.

    Args:
        url: The database.
        is_idle: Whether no run is active; asked right before a table is locked.

    Returns:
        A sentence for each table that could not be vacuumed or rewritten.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0; set lock_timeout = %s", (_LOCK_TIMEOUT,))
        return [*_reclaim(cursor, is_idle)]


def _reclaim(cursor: Cursor, is_idle: Callable[[], bool]) -> Iterator[str]:
    for name in TABLES:
        table = sql.Identifier(*name.split("."))
        try:
            cursor.execute(sql.SQL("vacuum (analyze) {}").format(table))
            if _is_mostly_empty(cursor, table) and is_idle():
                cursor.execute(sql.SQL("vacuum (full, analyze) {}").format(table))
        except psycopg2.Error as error:  # busy, too little disk space, or owned by another role
            yield f"space of table {name} is not returned: {str(error).strip().partition(chr(10))[0]}"


def _is_mostly_empty(cursor: Cursor, table: sql.Composable) -> bool:
    """Estimate from a sample whether rows fill less than half of a table's file."""
    name = sql.Literal(table.as_string(cursor))
    size = _value(cursor, sql.SQL("select pg_table_size({}::regclass)").format(name))
    if size < MIN_BYTES:
        return False
    rows = _value(cursor, sql.SQL("select greatest(reltuples, 1) from pg_class where oid = {}::regclass").format(name))
    percent = sql.Literal(min(100.0, max(0.01, 100 * _SAMPLED_ROWS / rows)))
    sample = sql.SQL("select coalesce(avg(pg_column_size(t.*)), 0) from {} t tablesample system ({})")
    live = rows * (float(_value(cursor, sample.format(table, percent))) + _ROW_OVERHEAD_BYTES)
    return bool(live < min(size / 2, MAX_LIVE_BYTES))


def _value(cursor: Cursor, query: sql.Composable) -> float:
    cursor.execute(query)
    return float((cursor.fetchone() or (0,))[0])
