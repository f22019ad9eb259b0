"""Dump and restore the tables of the platform: those of the schema `coin`, and Dagster's.

Other tables, schemas and extensions of the database are neither read nor changed. A restore is one transaction, which
is committed after all rows were counted: if it fails or is killed at any moment, the database is as it was.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO, NamedTuple

import psycopg2
from psycopg2 import sql

from coin_pipeline.backup.dump_statements import write_statements
from coin_pipeline.backup.piped_programs import blocks_of, run_program
from coin_pipeline.database.feature_flags import PAUSE
from coin_pipeline.database.programs import ServerInfo, find_program, program_login, server_info
from coin_pipeline.database.session import Connection, Cursor, connect, translated
from coin_pipeline.database.timeouts import WHERE
from coin_pipeline.errors import DatabaseUnavailable, RestoreFailed, RestoreRefused

DAGSTER_TABLES = (
    *("alembic_version", "asset_check_executions", "asset_daemon_asset_evaluations", "asset_event_tags", "asset_keys"),
    *("backfill_tags", "bulk_actions", "concurrency_limits", "concurrency_slots", "daemon_heartbeats"),
    *("dynamic_partitions", "event_logs", "instance_info", "instigators", "job_ticks", "jobs", "kvs", "pending_steps"),
    *("run_tags", "runs", "secondary_indexes", "snapshots"),
)
"""Dagster's tables, in whichever schema the search path leads to; a test compares them with Dagster."""
_CONNECTION_LOST = 2
"""Exit code of psql."""
_LOCK_WAIT_S = 60
# The column distinguishes Dagster's table from another program's table of the same name. Extensions, whose members have
# a dependency of the type e, may be in any schema.
_TABLES = """
with dagster as (
    select relnamespace as schema from pg_class join pg_attribute on attrelid = pg_class.oid
    where pg_class.oid = to_regclass('runs') and attname = 'run_body'
), relation as (
    select nspname, relname, relkind, nspname = 'coin' or coalesce(
        (  -- a sequence belongs to the table that uses it
            select owner.relname from pg_depend join pg_class owner on owner.oid = refobjid
            where relkind = 'S' and objid = member.oid and classid = 'pg_class'::regclass and deptype in ('a', 'i')
        ), relname
    ) = any(%(dagster)s) as own
    from pg_class member join pg_namespace on relnamespace = pg_namespace.oid
    where (nspname = 'coin' or relnamespace in (select schema from dagster))
    and not exists (select from pg_depend where objid = member.oid and deptype = 'e')
)
select nspname, relname from relation where own = %(own)s and relkind = any(%(kinds)s) order by 1, 2"""
_TABLE_KINDS, _KINDS = "rp", "rpvmfS"
"""Tables; and with views, foreign tables and sequences."""
_FUNCTIONS = """
select oid::regprocedure::text from pg_proc where pronamespace = to_regnamespace('coin')
and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')"""


class Table(NamedTuple):
    """A table and its schema."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name for a statement."""
        return sql.Identifier(self.schema, self.name)


def dump_database(url: str, sink: BinaryIO) -> dict[str, int]:
    """Write a dump in pg_dump's custom format.

    Args:
        url: The database.
        sink: Receives the dump.

    Returns:
        The number of rows of each table in the same snapshot as the dump, by name, such as `coin.journal`.

    Raises:
        DatabaseUnavailable: The server cannot be reached, a table is locked for a minute, there is no pg_dump for the
            server, or it has no tables of the platform.
    """
    with _cursor(url) as (connection, cursor):
        cursor.execute("set statement_timeout = 0; begin isolation level repeatable read read only")
        tables = _tables(cursor)
        if not tables:
            raise DatabaseUnavailable(WHERE, "it has no tables of the platform; run 'coin database upgrade' once")
        rows = _count(cursor, tables)  # also locks the tables: from now on they have the same columns
        cursor.execute("select pg_export_snapshot()")
        snapshot = f"--snapshot={(cursor.fetchone() or ('',))[0]}"
        _write_dump(url, server_info(connection), [snapshot, *_selection(cursor, tables)], sink)
    return rows


def restore_database(dump: BinaryIO, url: str, rows: Mapping[str, int], *, overwrite: bool = False) -> None:
    """Restore a dump in one transaction, with schedules stopped and alerts muted.

    The dump is read to its end before the transaction is committed, so that a reader which verifies a digest prevents
    the commit by raising.

    Args:
        dump: What `dump_database` wrote.
        url: The database; its role becomes the owner of the tables.
        rows: The number of rows of each table, which is verified.
        overwrite: Whether to replace the tables of the platform that the database already has.

    Raises:
        RestoreRefused: The database already has such tables.
        RestoreFailed: The dump is damaged, or the server rejected it; the database is unchanged.
        DatabaseUnavailable: The server cannot be reached; the database is unchanged.
    """
    with _cursor(url) as (connection, cursor):
        existing = _tables(cursor)
        if existing and not overwrite:
            raise RestoreRefused("the database", f"already has {len(existing)} tables of the platform")
        tables = [Table(*name.split(".", 1)) for name in rows]
        before = _render(cursor, _clear(cursor, existing), _create_schemas(cursor, tables))
        after = _render(cursor, _verify(rows, tables), [sql.SQL(PAUSE), sql.SQL("commit")])
        server = server_info(connection)
    _execute(url, server, dump, before, after)


def count_rows(url: str) -> dict[str, int]:
    """Return the number of rows of each table of the platform.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """
    with _cursor(url) as (_, cursor):
        cursor.execute("set statement_timeout = 0; begin isolation level repeatable read read only")
        return _count(cursor, _tables(cursor))


@contextmanager
def _cursor(url: str) -> Iterator[tuple[Connection, Cursor]]:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        try:
            yield connection, cursor
        except psycopg2.Error as error:
            raise translated(error) from error


def _tables(cursor: Cursor, *, own: bool = True) -> list[Table]:
    """Return the platform's tables, or what other programs have in the schema of Dagster's tables."""
    kinds = list(_TABLE_KINDS if own else _KINDS)
    cursor.execute(_TABLES, {"dagster": list(DAGSTER_TABLES), "own": own, "kinds": kinds})
    return [Table(*row) for row in cursor.fetchall()]


def _count(cursor: Cursor, tables: Sequence[Table]) -> dict[str, int]:
    rows = {}
    for table in tables:
        cursor.execute(sql.SQL("select count(*) from {}").format(table.identifier))
        rows[str(table)] = int((cursor.fetchone() or (0,))[0])
    return rows


def _selection(cursor: Cursor, tables: Sequence[Table]) -> Iterator[str]:
    """Yield the options of pg_dump that select the platform's tables, and the functions of the schema `coin`.

    With --table it would leave out functions, which triggers need.
    """
    for schema in sorted({table.schema for table in tables}):
        yield f"--schema={sql.Identifier(schema).as_string(cursor)}"
    for table in _tables(cursor, own=False):
        yield f"--exclude-table={table.identifier.as_string(cursor)}"


def _write_dump(url: str, server: ServerInfo, options: Sequence[str], sink: BinaryIO) -> None:
    login = program_login(url)
    fixed = ("--format=custom", "--no-comments", "--no-publications", f"--lock-wait-timeout={_LOCK_WAIT_S}s")
    command = [str(find_program("pg_dump", server)), *login.arguments, *fixed, *options]
    with run_program(command, login.environment, stdout=subprocess.PIPE) as pg_dump:
        sink.writelines(blocks_of(pg_dump.stdout))
        if pg_dump.process.wait():
            raise DatabaseUnavailable(WHERE, f"pg_dump failed: {pg_dump.last_errors()}")


def _clear(cursor: Cursor, tables: Sequence[Table]) -> Iterator[sql.Composable]:
    """Yield statements that drop tables and functions, but never what other programs made of them."""
    yield sql.SQL("begin")
    yield sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{_LOCK_WAIT_S}s"))
    if tables:
        yield sql.SQL("drop table {}").format(sql.SQL(", ").join(table.identifier for table in tables))
    cursor.execute(_FUNCTIONS)
    for (function,) in cursor.fetchall():
        yield sql.SQL("drop function {}").format(sql.SQL(function))


def _create_schemas(cursor: Cursor, tables: Iterable[Table]) -> Iterator[sql.Composable]:
    """Yield statements that create missing schemas; `if not exists` would need a permission for existing ones."""
    for schema in sorted({table.schema for table in tables}):
        cursor.execute("select to_regnamespace(quote_ident(%s)) is null", (schema,))
        if cursor.fetchone() == (True,):
            yield sql.SQL("create schema {}").format(sql.Identifier(schema))


def _verify(rows: Mapping[str, int], tables: Iterable[Table]) -> Iterator[sql.Composable]:
    """Yield statements that fail unless each table has its rows and Dagster will find its own."""
    yield sql.SQL("reset search_path")
    for table in tables:
        expected = rows[str(table)]
        yield _require(
            sql.SQL("(select count(*) from {}) = {}").format(table.identifier, sql.Literal(expected)),
            f"{table} does not have the {expected} rows that were backed up",
        )
        if table.name == "runs":
            yield _require(
                sql.SQL("to_regclass('runs') = {}::regclass").format(sql.Literal(f'"{table.schema}"."{table.name}"')),
                f"the search path of this role does not lead to {table}; set it with 'alter role'",
            )


def _require(condition: sql.Composable, message: str) -> sql.Composable:
    """Return a statement that fails with a message if a condition is not true."""
    statement = "do $do$ begin if ({}) is not true then raise exception using message = {}; end if; end $do$"
    return sql.SQL(statement).format(condition, sql.Literal(message))


def _render(cursor: Cursor, *groups: Iterable[sql.Composable]) -> bytes:
    return "".join(f"{statement.as_string(cursor)};\n" for group in groups for statement in group).encode()


def _execute(url: str, server: ServerInfo, dump: BinaryIO, before: bytes, after: bytes) -> None:
    """Have psql execute statements, those that pg_restore makes of a dump, and more statements.

    psql receives the last ones, with the commit, after pg_restore has succeeded: a damaged dump is never committed.
    """
    login = program_login(url)
    options = (
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--set=SHOW_CONTEXT=never",
        "--output=/dev/null",
        "--file=-",
    )
    command = [str(find_program("psql", server)), *login.arguments, *options]
    with run_program(command, login.environment, stdin=subprocess.PIPE) as psql:
        with suppress(BrokenPipeError):  # psql has ended; its exit code and its message are read below
            psql.stdin.write(before)
            pg_restore = find_program("pg_restore", server._replace(tls=False))  # it does not connect
            write_statements(pg_restore, server.version, dump, psql.stdin)
            psql.stdin.write(after)
            psql.stdin.close()
        if code := psql.process.wait():
            error = DatabaseUnavailable if code == _CONNECTION_LOST else RestoreFailed
            raise error(WHERE, psql.last_errors())
