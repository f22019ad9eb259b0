"""Proof that the database stores data now."""

from psycopg2 import errors

from coin_pipeline.database.session import Cursor, Session


def write_row(session: Session) -> None:
    """Write and commit a row.

    Raises:
        DatabaseUnavailable: The server does not respond, or cannot write, for example because its disk is full.
    """
    session.run(_write)


def _write(cursor: Cursor) -> None:
    cursor.execute("begin")
    try:
        # A new file, which needs space: another version of the row would fit into a page that exists already.
        cursor.execute("lock table coin.health nowait")
        cursor.execute("truncate coin.health")
        cursor.execute("insert into coin.health values (clock_timestamp())")
    except errors.LockNotAvailable:  # another API writes at this moment, or pg_dump reads
        cursor.execute("rollback")
    else:
        cursor.execute("commit")
