"""Tables created in one transaction, compared with those that Dagster creates one by one."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError

import coin_pipeline.alerts.tables
import coin_pipeline.forward.tables
import coin_pipeline.ledger.tables  # noqa: F401 -- each declares tables
from coin_pipeline.database import dagster_revisions
from coin_pipeline.database.metadata import METADATA, REVISION_TABLE
from coin_pipeline.database.schema import BASE, downgrade, is_current
from coin_pipeline.database.session import connect
from coin_pipeline.database.timeouts import BATCH
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration import storage, storage_schema
from coin_pipeline.orchestration._dagster_internals import DagsterPostgresStorage, pg_alembic_config, run_storage_module
from coin_pipeline.orchestration.storage import PooledPostgresStorage
from coin_pipeline.orchestration.storage_schema import create_tables, is_new_database
from coin_pipeline.settings import load_settings

_DESCRIPTION = """
select 'column', table_name, column_name, data_type, column_default, is_nullable
    from information_schema.columns where table_schema = 'public'
union all select 'index', tablename, indexname, indexdef, null, null from pg_indexes where schemaname = 'public'
union all select 'mark', name, (migration_completed is not null)::text, null, null, null from secondary_indexes
union all select 'revision', version_num, null, null, null, null from alembic_version
order by 1, 2, 3
"""


@pytest.fixture
def empty() -> Iterator[list[str]]:
    """URLs of two empty databases, dropped afterwards."""
    ours = database_url(load_settings())
    names = [f"tables_{number}" for number in (1, 2)]
    with closing(connect(ours)) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"create database {name}")
        yield [urlunsplit(urlsplit(ours)._replace(path=f"/{name}")) for name in names]
        for name in names:
            cursor.execute(f"drop database {name} with (force)")


def describe(url: str) -> list[tuple[str, ...]]:
    """Return columns, indexes, migration marks and revision of a database."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_DESCRIPTION)
        return cursor.fetchall()


def test_tables_equal_those_that_dagster_creates(empty: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every column, index, mark and revision; a Dagster version that needs another schema fails here."""
    theirs, ours = empty
    DagsterPostgresStorage(theirs)
    monkeypatch.setenv("DATABASE_URL", ours)
    assert is_new_database(ours)
    PooledPostgresStorage.from_config_value(None, {})
    assert not is_new_database(ours)
    assert describe(ours) == describe(theirs)
    assert len(describe(ours)) > 100


def test_an_interrupted_creation_leaves_no_table(empty: list[str]) -> None:
    """If the last table cannot be created, none is; a second attempt creates all."""
    url, _ = empty
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create view alembic_version as select 1 as placeholder")
        with pytest.raises(ProgrammingError):
            create_tables(url)
        cursor.execute("select count(*) from pg_tables where schemaname = 'public'")
        assert cursor.fetchone() == (0,)
        cursor.execute("drop view alembic_version")
        create_tables(url)
        cursor.execute("select count(*) > 15 from pg_tables where schemaname = 'public'")
        assert cursor.fetchone() == (True,)


def test_set_up_waits_for_another_program_without_a_time_limit() -> None:
    """It may be changing large tables of an earlier version for longer than statements usually wait for a lock."""
    url = database_url(load_settings())

    def set_up() -> None:
        with storage._setup_lock(url, BATCH._replace(lock_ms=100)):
            pass

    with ThreadPoolExecutor(1) as threads:
        with storage._setup_lock(url):
            waiting = threads.submit(set_up)
            time.sleep(0.5)
            assert not waiting.done()
        waiting.result()


def test_set_up_after_a_command_that_created_our_schema_first(empty: list[str]) -> None:
    """Dagster's tables join that schema, which the name of the role puts first, and survive a downgrade."""
    url, _ = empty
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create schema coin; create table coin.switch (name text primary key, since timestamptz)")
        storage.set_up(url)
        assert is_current(url)
        downgrade(url, BASE)
        cursor.execute("select to_regclass('coin.switch'), to_regclass('coin.runs')::text")
        assert cursor.fetchone() == (None, "runs")
    storage.set_up(url)
    assert is_current(url)


def test_no_table_has_the_name_of_one_of_dagsters() -> None:
    """The embedded server would find ours first."""
    theirs = {"alembic_version"} | {table for metadata in storage_schema._METADATA for table in metadata.tables}
    assert theirs.isdisjoint({table.name for table in METADATA.sorted_tables} | {REVISION_TABLE})


def test_revisions_of_dagsters_tables_are_those_of_its_migrations() -> None:
    """`coin doctor` reads them from the scripts, and Dagster by importing these."""
    scripts = ScriptDirectory.from_config(pg_alembic_config(run_storage_module.__file__))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    assert dagster_revisions.installed() == (scripts.get_current_head(), known)
