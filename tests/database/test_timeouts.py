"""Time limits of connections, and what requests do while the database does not respond."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from coin_pipeline.database.session import Cursor, Session, connect
from coin_pipeline.database.timeouts import BATCH, INTERACTIVE, PAUSE_S, RESPONSE_S, limit_waits
from coin_pipeline.errors import DatabaseUnavailable

UNLIMITED = INTERACTIVE._replace(statement_ms=0)
"""A server that enforces no limit itself, as one that hangs."""
SLEEP_S = RESPONSE_S + 1


def sleep(cursor: Cursor) -> None:
    """Have the server not respond for longer than requests wait."""
    cursor.execute("select pg_sleep(%s)", (SLEEP_S,))


def select(cursor: Cursor) -> None:
    """Have the server respond at once."""
    cursor.execute("select 1")


@pytest.fixture
def limited() -> Iterator[None]:
    """Limit the waits of this process as the API does."""
    with limit_waits():
        yield


@pytest.mark.usefixtures("limited")
def test_requests_fail_at_once_after_one_had_no_response(index_url: str) -> None:
    """Only one thread at a time waits for a database that hangs, and after PAUSE_S one finds out that it is back."""
    with closing(Session(index_url, UNLIMITED)) as session:
        with pytest.raises(DatabaseUnavailable, match="no response within 2 s"):
            session.run(sleep)
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                session.run(select)
        assert time.monotonic() - began < PAUSE_S / 2
        time.sleep(PAUSE_S)
        session.run(select)


@pytest.mark.usefixtures("limited")
def test_a_slow_statement_does_not_count_as_a_database_that_hangs(index_url: str) -> None:
    """The server ends it first, so that it does not make other requests fail."""
    with closing(Session(index_url, INTERACTIVE)) as session:
        with pytest.raises(DatabaseUnavailable, match="statement timeout"):
            session.run(sleep)
        session.run(select)


@pytest.mark.usefixtures("limited")
def test_threads_that_share_a_connection_wait_together() -> None:
    """A server that accepts connections and never responds delays all requests once, not one after another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        session = Session(f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/none", INTERACTIVE)

        def request() -> None:
            with pytest.raises(DatabaseUnavailable):
                session.run(select)

        threads = [threading.Thread(target=request) for _ in range(8)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < RESPONSE_S + PAUSE_S


def test_other_programs_wait(index_url: str) -> None:
    """Runs, migrations and retention are not limited as requests are."""
    with closing(Session(index_url)) as session:
        session.run(sleep)


@pytest.mark.parametrize("timeouts", [INTERACTIVE, BATCH])
def test_limits_are_added_to_the_options_of_the_url(index_url: str, timeouts: object) -> None:
    """The URL of a user may set a search path."""
    assert timeouts in (INTERACTIVE, BATCH)
    with closing(connect(f"{index_url}?options=-c%20search_path%3Dcoin", timeouts)) as connection:  # type: ignore[arg-type]
        assert show(connection, "search_path") == "coin"
        assert show(connection, "lock_timeout") == ("1s" if timeouts is INTERACTIVE else "1min")


def show(connection: psycopg2.extensions.connection, name: str) -> str:
    """Return a setting of a connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"show {name}")
        return str((cursor.fetchone() or ("",))[0])
