"""Transactions that are repeated: conflicts, lost connections, and what the server rejects."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, text

from coin_pipeline.database.engine import Isolation, create_engine, run_transaction
from coin_pipeline.database.timeouts import BATCH, INTERACTIVE, PAUSE_S, RESPONSE_S, limit_waits
from coin_pipeline.errors import DatabaseUnavailable, DataRefused, OverExit

ACCOUNTS = """
drop table if exists public.account;
create table public.account (name text primary key, amount integer not null check (amount >= 0));
insert into public.account values ('a', 0), ('b', 0);
"""
ADD = text("update account set amount = amount + 1 where name = :name")


@pytest.fixture
def engine(index_url: str) -> Iterator[Engine]:
    """A pool on a database with two accounts."""
    engine = create_engine(index_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(ACCOUNTS)
    yield engine
    engine.dispose()


def amount(engine: Engine, name: str = "a") -> int:
    """Return what an account holds."""
    with engine.connect() as connection:
        return connection.execute(text("select amount from account where name = :name"), {"name": name}).scalar_one()


def add_what_was_read(connection: Connection) -> None:
    """Add one to account a as a program does that computes with what it has read."""
    found = connection.execute(text("select amount from account where name = 'a'")).scalar_one()
    connection.execute(text("update account set amount = :amount where name = 'a'"), {"amount": found + 1})


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_serialization_failures_are_repeated(engine: Engine, isolation: Isolation) -> None:
    """Eight threads change a row that each has read before; no change is lost and none fails."""
    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(run_transaction, engine, add_what_was_read, isolation) for _ in range(40)]
    assert [future.result() for future in done] == [None] * 40
    assert amount(engine) == 40


def test_a_deadlock_is_repeated(engine: Engine) -> None:
    """Two transactions lock two rows in opposite orders; the server ends one of them, and it runs again."""
    met = threading.Barrier(2)

    def add_to_both(names: str, attempts: list[str]) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            attempts.append(names)
            connection.execute(ADD, {"name": names[0]})
            if len(attempts) == 1:
                met.wait()
            connection.execute(ADD, {"name": names[1]})

        return work

    attempts: tuple[list[str], list[str]] = ([], [])
    with ThreadPoolExecutor(2) as threads:
        done = [
            threads.submit(run_transaction, engine, add_to_both(*case))
            for case in zip(("ab", "ba"), attempts, strict=True)
        ]
    assert [future.result() for future in done] == [None, None]
    assert sorted(map(len, attempts)) == [1, 2]
    assert (amount(engine, "a"), amount(engine, "b")) == (2, 2)


def test_a_lost_connection_is_replaced_once(engine: Engine) -> None:
    """The first attempt is rolled back; a connection that is lost again is reported."""
    attempts = []

    def lose(connection: Connection, times: int) -> None:
        attempts.append(times)
        connection.execute(ADD, {"name": "a"})
        if len(attempts) <= times:
            connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")

    run_transaction(engine, lambda connection: lose(connection, 1))
    assert (len(attempts), amount(engine)) == (2, 1)
    with pytest.raises(DatabaseUnavailable, match=r"closed the connection|terminating connection"):
        run_transaction(engine, lambda connection: lose(connection, 9))
    assert (len(attempts), amount(engine)) == (4, 1)


def test_work_that_raises_is_rolled_back(engine: Engine) -> None:
    """Its error reaches the caller unchanged."""

    def work(connection: Connection) -> None:
        connection.execute(ADD, {"name": "a"})
        raise OverExit(Decimal(2), Decimal(1))

    with pytest.raises(OverExit):
        run_transaction(engine, work)
    assert amount(engine) == 0


@pytest.mark.parametrize(
    ("statement", "error", "reason"),
    [
        ("update account set amount = 1e30::numeric", DataRefused, "integer out of range"),
        ("update account set amount = -1", DataRefused, 'violates check constraint "account_amount_check"'),
        ("select nothing from account", DatabaseUnavailable, 'column "nothing" does not exist'),
    ],
)
def test_rejected_statements_are_errors_of_the_family(
    engine: Engine, statement: str, error: type[Exception], reason: str
) -> None:
    """A retry would not help, so there is none."""
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(statement)
        connection.exec_driver_sql(statement)

    with pytest.raises(error, match=reason):
        run_transaction(engine, work)
    assert len(attempts) == 1


def test_a_reading_transaction_changes_nothing(engine: Engine) -> None:
    """The server rejects a change, and the connection is free for others afterwards."""
    with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
        run_transaction(engine, lambda connection: connection.execute(ADD, {"name": "a"}), read_only=True)
    run_transaction(engine, lambda connection: connection.execute(ADD, {"name": "a"}))
    assert amount(engine) == 1


def test_an_unreachable_server_is_reported_without_its_password() -> None:
    """The message has the server's address at most."""
    engine = create_engine("postgresql://guest:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="Connection refused") as error:
        run_transaction(engine, lambda _: None)
    assert "secret" not in str(error.value)


def test_requests_fail_at_once_after_one_had_no_response(index_url: str) -> None:
    """The pool of the API follows the limit that its other connections have."""
    engine = create_engine(index_url, INTERACTIVE._replace(statement_ms=0))
    sleep = text("select pg_sleep(:seconds)")
    with limit_waits():
        with pytest.raises(DatabaseUnavailable, match="no response within 2 s"):
            run_transaction(engine, lambda connection: connection.execute(sleep, {"seconds": RESPONSE_S + 1}))
        with pytest.raises(DatabaseUnavailable, match="no response within 2 s"):
            run_transaction(engine, lambda connection: connection.execute(text("select 1")))
        time.sleep(PAUSE_S)
        assert run_transaction(engine, lambda connection: connection.execute(text("select 1")).scalar_one()) == 1
    engine.dispose()


def test_a_pool_in_use_is_reported(index_url: str) -> None:
    """It does not wait for a connection of the pool longer than for a new one."""
    engine = create_engine(index_url, BATCH._replace(connect_s=0))
    held = [engine.connect() for _ in range(28)]
    with pytest.raises(DatabaseUnavailable, match="all connections of this process are in use"):
        run_transaction(engine, lambda _: None)
    for connection in held:
        connection.close()
    engine.dispose()
