"""Dumps and restores of the database: every row, in one snapshot and in one transaction."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from coin_pipeline.alerts.outbox import is_muted
from coin_pipeline.backup.postgres import DAGSTER_TABLES, count_rows, dump_database, restore_database
from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.feature_flags import is_paused, resume
from coin_pipeline.database.programs import ServerInfo, find_program
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable, RestoreFailed, RestoreRefused
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.orchestration._dagster_internals import (
    RunStorageSqlMetadata,
    ScheduleStorageSqlMetadata,
    SqlEventLogStorageMetadata,
)
from coin_pipeline.settings import load_settings
from tests.forking import forking
from tests.ledger.orders import buy
from tests.postgres_server import PASSWORD, outside_postgres, system_programs
from tests.schemas import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

FOREIGN = """
create schema other; create table other.rows as select 1 as n;
create extension hstore schema public; create function public.other() returns int language sql as 'select 1';
create type public.colour as enum ('red'); create table public.others (id serial, h hstore, c colour);
create view public.other_view as select * from public.others; insert into public.others (c) values ('red')
"""
"""What another program has in the same database."""
DECISION = """
insert into coin.forward_test values ('{id}', '{{}}', 0, now(), null);
insert into coin.forward_symbol values ('{id}', 'BTC_KRW', '{{"cash": 1.5}}', 3, null, null, null, null);
insert into coin.forward_decision
values ('{id}', 'BTC_KRW', 3, 1, 2, 0.5, 'NaN', 7, true, false, null, now(), false, 0, 'c', 'p', 0, 'h')
"""

LARGE = "create table coin.large as select md5(random()::text) from generate_series(1, 200000)"
"""More than a pipe holds: pg_dump is still running when its first bytes are read."""


@pytest.fixture(scope="module")
def new_database(data_root: Path) -> Callable[[], str]:
    """Return a function that creates an empty database on the session's server and returns its URL."""
    assert data_root.is_dir()
    url = database_url(load_settings())

    def create() -> str:
        name = f"backup_{uuid.uuid4().hex}"
        execute(url, f"create database {name}")
        return urlsplit(url)._replace(path=f"/{name}").geturl()

    return create


@pytest.fixture(scope="module")
def source(new_database: Callable[[], str]) -> str:
    """URL of a database with a ledger, a forward test and a run."""
    url = new_database()
    fill(url)
    return url


@pytest.fixture(scope="module")
def dumped(source: str) -> tuple[bytes, dict[str, int]]:
    """The dump of the source, and its number of rows by table."""
    dump = io.BytesIO()
    rows = dump_database(source, dump)
    return dump.getvalue(), rows


def test_every_row_constraint_and_sequence_is_restored(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """The statements that make the copy are those that make the source."""
    copy = new_database()
    restore_database(io.BytesIO(dumped[0]), copy, dumped[1])
    execute(copy, "truncate coin.switch")
    again = io.BytesIO()
    assert dump_database(copy, again) == dumped[1]
    assert statements(again.getvalue()) == statements(dumped[0])
    assert dumped[1]["coin.journal"] == 2


def test_a_restored_database_can_be_used(dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]) -> None:
    """The next entry of the ledger has the next number, and decisions are still append-only."""
    copy = new_database()
    restore_database(io.BytesIO(dumped[0]), copy, dumped[1])
    book(copy, "next")
    assert query(copy, "select max(entry_id) from coin.journal") == [(3,)]
    with pytest.raises(DatabaseUnavailable, match="append-only"), closing(Session(copy)) as session:
        session.run(lambda cursor: cursor.execute("delete from coin.forward_decision"))


def test_schedules_and_alerts_of_a_copy_are_off(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """A copy next to the original must neither collect candles nor send alerts before an operator wants it to."""
    copy = new_database()
    restore_database(io.BytesIO(dumped[0]), copy, dumped[1])
    with closing(Session(copy)) as session:
        assert is_paused(session)
        assert session.run(is_muted)
        assert resume(session)
        assert not is_paused(session)


def test_a_database_with_tables_is_replaced_only_if_asked(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """Without --overwrite nothing is changed."""
    url = new_database()
    create_schema(url)
    book(url, "kept")
    with pytest.raises(RestoreRefused, match="--overwrite"):
        restore_database(io.BytesIO(dumped[0]), url, dumped[1])
    assert count_rows(url)["coin.journal"] == 1
    restore_database(io.BytesIO(dumped[0]), url, dumped[1], overwrite=True)
    assert count_rows(url) == {**dumped[1], "coin.switch": 2}


def test_what_another_program_has_there_stays_as_it_is(new_database: Callable[[], str]) -> None:
    """It is neither restored nor dropped, even next to Dagster's tables."""
    url = new_database()
    fill(url)
    execute(url, FOREIGN)
    rows = dump_database(url, dump := io.BytesIO())
    execute(url, "insert into public.others (c) values ('red')")
    restore_database(io.BytesIO(dump.getvalue()), url, rows, overwrite=True)
    assert query(url, "select id, c, other() from public.other_view") == [(1, "red", 1), (2, "red", 1)]
    assert count_rows(url) == {**rows, "coin.switch": 2}


def test_a_view_of_another_program_on_our_tables_is_not_dropped(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """The restore fails and names the view; nothing is changed."""
    url = new_database()
    create_schema(url)
    execute(url, "create view public.dashboard as select * from coin.journal")
    with pytest.raises(RestoreFailed, match="dashboard"):
        restore_database(io.BytesIO(dumped[0]), url, dumped[1], overwrite=True)
    assert count_rows(url)["coin.journal"] == 0


class Faulty(io.BytesIO):
    """A dump that calls a function once some bytes of it are read."""

    def __init__(self, data: bytes, position: int, fail: Callable[[], object]) -> None:
        super().__init__(data)
        self._position, self._fail = position, fail

    def read(self, size: int | None = -1) -> bytes:
        """Read at most 256 bytes."""
        if self.tell() >= self._position:  # prose: ok
            self._fail()
        return super().read(min(size or 0, 256))


def _restore_until_killed(dump: bytes, rows: dict[str, int], url: str, position: int) -> None:
    faulty = Faulty(dump, position, lambda: os.kill(os.getpid(), signal.SIGKILL))
    restore_database(faulty, url, rows, overwrite=True)


@pytest.mark.parametrize("part", [0, 0.3, 0.7, 0.95, 1])
def test_a_killed_restore_leaves_the_database_as_it_was(
    part: float, dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """At the beginning, in between, and after the last byte."""
    url = new_database()
    create_schema(url)
    book(url, "kept")
    before = count_rows(url)
    position = round(part * len(dumped[0]))
    process = forking().Process(target=_restore_until_killed, args=(*dumped, url, position))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert count_rows(url) == before


class _Rejected(Exception):
    """Not an error of the platform."""


def _reject() -> None:
    raise _Rejected


def test_a_dump_that_is_rejected_after_its_last_byte_is_not_committed(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """A reader that verifies a digest can do so only at the end."""
    url = new_database()
    with pytest.raises(_Rejected):
        restore_database(Faulty(dumped[0], len(dumped[0]), _reject), url, dumped[1])
    assert count_rows(url) == {}


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_truncated_dump_is_not_committed(
    part: float, dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """Whatever is missing."""
    url = new_database()
    with pytest.raises(RestoreFailed, match="the dump cannot be read"):
        restore_database(io.BytesIO(dumped[0][: round(part * len(dumped[0]))]), url, dumped[1])
    assert count_rows(url) == {}


def test_other_rows_than_those_counted_are_not_committed(
    dumped: tuple[bytes, dict[str, int]], new_database: Callable[[], str]
) -> None:
    """The count of the backup is compared before the commit."""
    url = new_database()
    with pytest.raises(RestoreFailed, match=r"coin\.journal does not have the 3 rows that were backed up"):
        restore_database(io.BytesIO(dumped[0]), url, {**dumped[1], "coin.journal": 3})
    assert count_rows(url) == {}


def test_rows_and_counts_are_of_one_moment(new_database: Callable[[], str]) -> None:
    """A row that is added while the dump is written is neither in the dump nor counted."""
    url, copy = new_database(), new_database()
    create_schema(url)
    book(url, "before")
    rows = dump_database(url, sink := Sink(lambda: book(url, "meanwhile")))
    assert query(url, "select count(*) from coin.journal") == [(2,)]
    restore_database(io.BytesIO(sink.getvalue()), copy, rows)
    assert rows["coin.journal"] == count_rows(copy)["coin.journal"] == 1


def test_a_server_that_goes_away_is_reported(new_database: Callable[[], str]) -> None:
    """The dump ends with an error, not with half of the rows."""
    url = new_database()
    create_schema(url)
    execute(url, LARGE)
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_dump'"
    with pytest.raises(DatabaseUnavailable, match="pg_dump failed"):
        dump_database(url, Sink(lambda: execute(url, end)))


def test_a_database_without_tables_is_not_backed_up(new_database: Callable[[], str]) -> None:
    """An empty dump would look like a backup."""
    with pytest.raises(DatabaseUnavailable, match="coin database upgrade"):
        dump_database(new_database(), io.BytesIO())


def test_an_outside_server_with_a_socket_and_a_difficult_password() -> None:
    """The password is in the environment of the programs only, which other users cannot read."""
    arguments: list[str] = []
    with outside_postgres() as url:
        fill(url)
        execute(url, LARGE)
        rows = dump_database(url, sink := Sink(lambda: arguments.extend(child_arguments())))
        restore_database(io.BytesIO(sink.getvalue()), url, rows, overwrite=True)
        assert count_rows(url) == {**rows, "coin.switch": 2}
    assert any("pg_dump" in line for line in arguments)
    assert not any(PASSWORD in line for line in arguments)


@pytest.mark.skipif(system_programs() is None, reason="this system has no PostgreSQL server of its own")
def test_a_server_older_than_the_programs(dumped: tuple[bytes, dict[str, int]]) -> None:
    """It does not know all settings that a newer pg_restore writes."""
    with outside_postgres(system_programs()) as url:
        restore_database(io.BytesIO(dumped[0]), url, dumped[1])
        assert dump_database(url, io.BytesIO()) == {**dumped[1], "coin.switch": 2}


def test_a_server_newer_than_all_programs_is_refused() -> None:
    """The message names the package."""
    with pytest.raises(DatabaseUnavailable, match="install postgresql-client-99"):
        find_program("pg_dump", ServerInfo(990_001, tls=False))


def test_all_tables_of_dagster_are_backed_up() -> None:
    """A new version of Dagster may add some."""
    metadata = (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)
    assert {*DAGSTER_TABLES} - {"alembic_version"} == {name for part in metadata for name in part.tables}


class Sink(io.BytesIO):
    """Receives a dump, and calls a function before its first bytes."""

    def __init__(self, begin: Callable[[], object]) -> None:
        super().__init__()
        self._begin: Callable[[], object] | None = begin

    def write(self, data: Any) -> int:  # noqa: ANN401 -- any bytes-like object
        """Write bytes."""
        begin, self._begin = self._begin, None
        if begin:
            begin()
        return super().write(data)

    def writelines(self, lines: Any) -> None:  # noqa: ANN401 -- the C implementation would not call write
        """Write blocks."""
        for line in lines:
            self.write(line)


def fill(url: str) -> None:
    """Create the tables, and rows in some of them."""
    create_schema(url)
    book(url, "first")
    book(url, "second")
    execute(url, DECISION.format(id=uuid.uuid4()))
    execute(url, "insert into runs values ('r1', 'SUCCESS', E'a\\tb\\\\\\n한', 1e-300, null)")


def book(url: str, key: str) -> None:
    """Add an entry to the ledger."""
    engine = create_engine(url)
    Ledger(engine).enter(buy("1", symbol=f"{key.upper()}_KRW", key=key))
    engine.dispose()


def execute(url: str, statements: str) -> None:
    """Execute statements."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return rows."""
    with closing(Session(url)) as session:
        return session.run(lambda cursor: cursor.execute(statement) or cursor.fetchall())


def statements(dump: bytes) -> list[str]:
    """Return what pg_restore makes of a dump, without its random key, and parentheses that the server may leave out."""
    command = [find_program("pg_restore", ServerInfo(0, tls=False)), "--no-owner", "--file=-"]
    text = subprocess.run(command, input=dump, capture_output=True, check=True).stdout.decode()
    return re.sub(r"^\\(un)?restrict .*$|[()]", "", text, flags=re.MULTILINE).splitlines()


def child_arguments() -> Iterator[str]:
    """Yield the command lines of the programs that this process has started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"PPid:\t{os.getpid()}\n" in (path / "status").read_text():
                yield (path / "cmdline").read_text()
        except OSError:
            continue  # it has ended
