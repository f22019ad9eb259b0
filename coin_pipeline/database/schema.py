"""Creation of the platform's tables next to Dagster's, by whichever process comes first."""

from coin_pipeline.database.session import Cursor, Session

_LOCK_ID = 0x7461626C  # advisory lock; differs from every other lock held while tables are created


def create_table_once(session: Session, table: str, statements: str) -> None:
    """Create a table of the schema `coin` unless it exists; concurrent processes take turns.

    Args:
        session: The database.
        table: Name of the table, which shows whether the statements have run.
        statements: SQL that creates the table and its companions.

    Raises:
        DatabaseUnavailable: The table cannot be created, for example for lack of permission.
    """

    def create(cursor: Cursor) -> None:
        if table_exists(cursor, table):
            return
        cursor.execute("begin")
        cursor.execute("select pg_advisory_xact_lock(%s)", (_LOCK_ID,))
        if not table_exists(cursor, table):
            cursor.execute(f"create schema if not exists coin; {statements}")
        cursor.execute("commit")

    session.run(create)


def add_column_once(session: Session, table: str, column: str, definition: str, *, fill: str = "") -> None:
    """Add a column to a table of the schema `coin` that an earlier version created; concurrent processes take turns.

    Args:
        session: The database.
        table: Name of the table.
        column: Name of the column.
        definition: Its type and constraints.
        fill: SQL that sets it in existing rows, in the same transaction.

    Raises:
        DatabaseUnavailable: The column cannot be added, for example for lack of permission.
    """

    def add(cursor: Cursor) -> None:
        if _column_exists(cursor, table, column):
            return
        cursor.execute("begin")
        cursor.execute("select pg_advisory_xact_lock(%s)", (_LOCK_ID,))
        if not _column_exists(cursor, table, column):
            cursor.execute(f"alter table coin.{table} add column {column} {definition}; {fill}")
        cursor.execute("commit")

    session.run(add)


def table_exists(cursor: Cursor, table: str) -> bool:
    """Return whether the schema `coin` contains a table."""
    # pg_tables is always current; to_regclass may repeat what the connection cached before it got the lock.
    cursor.execute("select exists (select from pg_tables where schemaname = 'coin' and tablename = %s)", (table,))
    return cursor.fetchone() == (True,)


def _column_exists(cursor: Cursor, table: str, column: str) -> bool:
    statement = (
        "select exists (select from pg_attribute join pg_class on attrelid = pg_class.oid"
        " join pg_namespace on relnamespace = pg_namespace.oid"
        " where nspname = 'coin' and relname = %s and attname = %s and not attisdropped)"
    )
    cursor.execute(statement, (table, column))
    return cursor.fetchone() == (True,)
