"""Making our tables, beside those of Dagster, by whichever process comes first."""

from coin_pipeline.database.session import Cursor, Session

_MAKING = 0x7461626C  # another number than any that is held while tables are made


def create_table_once(session: Session, table: str, statements: str) -> None:
    """Run statements that create a table of the schema `coin`, unless it is there; processes do so one at a time.

    Raises:
        DatabaseUnavailable: the account may not create a schema, say.
    """

    def create(cursor: Cursor) -> None:
        if table_exists(cursor, table):
            return
        cursor.execute("begin")
        cursor.execute("select pg_advisory_xact_lock(%s)", (_MAKING,))
        if not table_exists(cursor, table):
            cursor.execute(f"create schema if not exists coin; {statements}")
        cursor.execute("commit")

    session.run(create)


def table_exists(cursor: Cursor, table: str) -> bool:
    """Tell whether the schema `coin` has a table."""
    # From the table of tables: to_regclass would repeat what a connection learned before it waited for the lock.
    cursor.execute("select exists (select from pg_tables where schemaname = 'coin' and tablename = %s)", (table,))
    return cursor.fetchone() == (True,)
