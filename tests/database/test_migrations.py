"""Migrations of the schema `coin`: each up and down, from every earlier installation, interrupted and at once."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import coin_pipeline.alerts.tables
import coin_pipeline.auth.tables
import coin_pipeline.database.tables
import coin_pipeline.forward.tables
import coin_pipeline.ledger.tables  # noqa: F401 -- each declares tables
from coin_pipeline.database import schema
from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.metadata import METADATA, REVISION_TABLE, SCHEMA
from coin_pipeline.database.session import Session, connect
from coin_pipeline.errors import InvalidInput, SchemaNotChanged, UnknownRevision
from coin_pipeline.results.index import ResultIndex
from tests.database.programs import query, wait_until
from tests.forking import forking
from tests.schemas import RUNS

ROOT = Path(__file__).resolve().parents[2]
BEFORE = (ROOT / "tests/data/schema_before_migrations.sql").read_text()
"""Tables and rows of the last version without migrations, by `pg_dump --inserts` after `coin demo`."""
STATES = {
    "the last version": "",
    "before reuses": "drop table coin.reuse",
    "before digests": "drop table coin.reuse; alter table coin.result drop column digest",
    "before progress times": "alter table coin.lease drop column idle_since",
    "the first index": """
        drop index coin.result_order;
        create index result_order on coin.result ("timestamp" desc, run_id desc) include (kind)
    """,
    "the first trigger": """
        create or replace function coin.keep_ended() returns trigger language plpgsql as $$
        begin return new; end $$
    """,
    "only results listed": "drop table coin.lease; drop function coin.keep_ended cascade; drop table coin.switch",
}
"""What earlier versions left, as statements that turn the tables of the last version into theirs."""
# Everything that PostgreSQL knows about the objects of the schema and the trigger on Dagster's table.
CATALOG = """
select 'column', c.oid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull::text,
    attidentity::text || attgenerated::text, collname, pg_get_expr(adbin, adrelid)
from pg_class c join pg_attribute on attrelid = c.oid left join pg_collation l on l.oid = attcollation
    left join pg_attrdef on adrelid = c.oid and adnum = attnum
where relnamespace = to_regnamespace('coin') and relkind = 'r' and attnum > 0 and not attisdropped
union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null, null, null
from pg_constraint where connamespace = to_regnamespace('coin')
union all select 'index', tablename, indexname, indexdef, null, null, null, null
from pg_indexes where schemaname = 'coin'
"""
ROUTINES = """
union all select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), null, null, null, null
from pg_trigger where not tgisinternal
union all select 'function', proname, null, pg_get_functiondef(oid), null, null, null, null
from pg_proc where pronamespace = to_regnamespace('coin')
"""


@pytest.fixture(scope="module")
def database(index_url: str) -> str:
    """URL of a database that each test starts from nothing."""
    with closing(connect(index_url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database migrations")
    return urlsplit(index_url)._replace(path="/migrations").geturl()


@pytest.fixture
def new(database: str) -> str:
    """URL of a database with nothing but the table of runs."""
    query(database, f"drop schema if exists coin cascade; drop table if exists runs cascade; {RUNS}")
    return database


@pytest.fixture
def before(database: str) -> str:
    """URL of a database as the last version without migrations left it."""
    query(database, f"drop schema if exists coin cascade; drop table if exists runs cascade; {BEFORE}")
    return database


@pytest.fixture(scope="module")
def newest(index_url: str) -> list[tuple[object, ...]]:
    """Catalog of a new database with the newest revision."""
    return catalog(index_url)


def catalog(url: str, routines: str = ROUTINES) -> list[tuple[object, ...]]:
    """Return everything in the schema but the table of the revision."""
    rows = query(url, CATALOG + routines)
    return sorted((row for row in rows if REVISION_TABLE not in f"{row[1]} {row[2]}"), key=repr)


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the tables that existed before the migrations, without columns added since."""
    columns = {"switch": "*", "lease": "run_id, host, pid, started, taken", "result": "run_id, symbols, version, size"}
    return {
        table: sorted(query(url, f"select {names} from coin.{table}"))  # noqa: S608 -- both are above
        for table, names in columns.items()
        if query(url, f"select to_regclass('coin.{table}')") != [(None,)]
    }


def test_each_revision_goes_up_and_down(new: str) -> None:
    """Down leaves exactly what was there before up; at last neither the schema nor the trigger is left."""
    catalogs = [catalog(new)]
    for revision in schema.revisions():
        schema._change(new, "upgrade", revision)
        catalogs.append(catalog(new))
    for revision, expected in zip([*reversed(schema.revisions()[:-1]), schema.BASE], catalogs[-2::-1], strict=True):
        schema.downgrade(new, revision)
        assert catalog(new) == expected
    assert query(new, "select nspname from pg_namespace where nspname = 'coin'") == []
    schema.upgrade(new)
    assert catalog(new) == catalogs[-1]


def test_migrations_create_the_declared_tables(new: str, index_url: str) -> None:
    """Columns, constraints and indexes of every table, in both directions, as PostgreSQL describes them."""
    query(new, "create schema coin")
    engine = create_engine(new)
    METADATA.create_all(engine)
    engine.dispose()
    assert catalog(index_url, "") == catalog(new, "")


def test_autogenerate_finds_no_change(index_url: str) -> None:
    """What `alembic revision --autogenerate` would write is empty."""
    engine = create_engine(f"{index_url}?options=-c%20search_path%3Dpublic")  # alembic omits the default schema's name
    options = {
        "version_table": REVISION_TABLE,
        "version_table_schema": SCHEMA,
        "include_schemas": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        "compare_server_default": True,
    }
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
    engine.dispose()


@pytest.mark.parametrize("statements", STATES.values(), ids=STATES.keys())
def test_an_earlier_installation_is_upgraded_with_its_data(before: str, newest: object, statements: str) -> None:
    """Its tables, indexes and functions are those of a new installation afterwards, and every row is kept."""
    query(before, statements or "select 1")
    rows = rows_of(before)
    schema.upgrade(before)
    assert catalog(before) == newest
    assert {table: rows_of(before)[table] for table in rows} == rows
    assert rows["result"]


def test_results_of_earlier_versions_are_read_again(before: str) -> None:
    """The index lacks some of their figures, so they count as changed."""
    schema.upgrade(before)
    with closing(Session(before)) as session:
        index = ResultIndex(session)
        assert index.altered() == set(index.versions()) != set()


def test_concurrent_upgrades_succeed(before: str, newest: object) -> None:
    """Eight processes that start together take turns; none fails."""
    processes = forking()
    ready = processes.Barrier(8)
    upgrading = [processes.Process(target=upgrade_together, args=(before, ready)) for _ in range(8)]
    for process in upgrading:
        process.start()
    for process in upgrading:
        process.join()
    assert [process.exitcode for process in upgrading] == [0] * 8
    assert catalog(before) == newest


def test_a_killed_upgrade_changes_nothing(before: str, newest: object) -> None:
    """It is one transaction: the next attempt starts from the old tables."""
    query(before, STATES["before digests"])
    expected = catalog(before)
    with closing(connect(before)) as reader, reader.cursor() as cursor:
        cursor.execute("begin; lock table coin.result in access share mode")
        process = forking().Process(target=schema.upgrade, args=(before,))
        process.start()
        wait_until(lambda: waiting(before), 30)
        process.kill()
        process.join()
    wait_until(lambda: not waiting(before), 30)
    assert catalog(before) == expected
    schema.upgrade(before)
    assert catalog(before) == newest


def test_a_newer_database_is_refused(new: str) -> None:
    """One sentence has the revision, what this version knows, and both remedies; nothing is changed."""
    schema.upgrade(new)
    query(new, "update coin.schema_revision set version_num = '9999'")
    sentence = (
        "the database has schema revision '9999' of a newer version of the platform, and this one knows none after"
        f" '{schema.head()}'; start that version, or go back with it: coin database downgrade {schema.head()}"
    )
    for change in (schema.upgrade, lambda url: schema.downgrade(url, schema.BASE)):
        with pytest.raises(UnknownRevision) as error:
            change(new)
        assert str(error.value) == sentence


def test_missing_permission_is_one_sentence(before: str) -> None:
    """It names the revision, the server's reason and the remedy, and no password."""
    query(before, "create role guest login password 'secret'; grant usage on schema coin to guest")
    guest = urlsplit(before)._replace(netloc=f"guest:secret@{urlsplit(before).netloc.rpartition('@')[2]}")
    try:
        with pytest.raises(SchemaNotChanged) as error:
            schema.upgrade(urlunsplit(guest))
    finally:
        query(before, "revoke all on schema coin from guest; drop role guest")
    message = str(error.value)
    assert message.startswith(f"the upgrade of the schema 'coin' to revision '{schema.head()}' was refused and changed")
    assert "permission denied" in message
    assert "'coin database upgrade'" in message
    assert "secret" not in message


def test_an_unknown_revision_is_refused(index_url: str) -> None:
    """The message lists those that exist."""
    with pytest.raises(InvalidInput, match=r"'0000' is not a revision; use base or one of 0001"):
        schema.downgrade(index_url, "0000")


def test_a_current_database_loads_no_alembic(index_url: str) -> None:
    """Commands that only read pay for one select."""
    program = (
        "import sys; from coin_pipeline.database.schema import upgrade; upgrade(sys.argv[1]);"
        " print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, index_url], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def upgrade_together(url: str, ready: Any) -> None:  # noqa: ANN401 -- a barrier has no public class
    """Upgrade a database at the same time as other processes."""
    ready.wait()
    schema.upgrade(url)


def waiting(url: str) -> bool:
    """Return whether a statement that changes the table of results waits for a lock or has not ended."""
    statement = (
        "select pid from pg_stat_activity where datname = current_database() and query like '%add column digest%'"
        " and pid <> pg_backend_pid()"
    )
    return bool(query(url, statement))
