"""Creation of Dagster's tables on a new database, in one transaction.

Dagster creates them one by one and later checks for the first one only, so a kill in between would leave a database
that lacks some tables permanently.
"""

from contextlib import closing

from sqlalchemy import inspect
from sqlalchemy.pool import NullPool

from coin_pipeline.database.session import Cursor, Session, sqlalchemy_url
from coin_pipeline.orchestration._dagster_internals import (
    DagsterPostgresStorage,
    RunStorageSqlMetadata,
    ScheduleStorageSqlMetadata,
    SqlEventLogStorageMetadata,
    create_pg_engine,
    pg_alembic_config,
    run_storage_module,
    stamp_alembic_rev,
)

_METADATA = (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)


def is_new_database(url: str) -> bool:
    """Return whether the database lacks this project's tables, which are created last, and has no run."""

    def look(cursor: Cursor) -> bool:
        cursor.execute("select to_regclass('coin.lease') is not null, to_regclass('runs') is not null")
        ours, theirs = cursor.fetchone() or (False, False)
        if ours or not theirs:
            return not ours
        cursor.execute("select not exists (select from runs)")
        return cursor.fetchone() == (True,)

    with closing(Session(url)) as session:
        return session.run(look)


def create_tables(url: str) -> None:
    """Create all of Dagster's tables in one transaction, unless there are some."""
    with create_pg_engine(sqlalchemy_url(url), poolclass=NullPool).begin() as connection:
        if "runs" in inspect(connection).get_table_names():
            return
        for metadata in _METADATA:
            metadata.create_all(connection)
        stamp_alembic_rev(pg_alembic_config(run_storage_module.__file__), connection)


def mark_migrated(storage: DagsterPostgresStorage) -> None:
    """Record that a new database needs no data migration, as Dagster does when it creates the tables itself."""
    for part in (storage.run_storage, storage.schedule_storage):
        part.migrate()
        part.optimize()
    storage.event_log_storage.reindex_events()
    storage.event_log_storage.reindex_assets()
