"""Storage of forward tests: functions on an open connection, so that a decision and its fills are one transaction."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from coin_pipeline.backtest.warm_up import WarmUp
from coin_pipeline.errors import ForwardTestNotFound, ForwardTestStopped
from coin_pipeline.forward.account import AccountState
from coin_pipeline.forward.records import Choice, Decision, ForwardTest, SymbolState
from coin_pipeline.forward.spec import ForwardSpec
from coin_pipeline.forward.tables import DECISION, SYMBOL, TEST

_ACCOUNT = TypeAdapter(AccountState)


def database_now(connection: Connection) -> datetime:
    """Return the time of the database server, UTC."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def add_test(connection: Connection, test: ForwardTest, accounts: Sequence[SymbolState]) -> ForwardTest:
    """Store a new test with the accounts of its symbols, unless one with its id is stored; return the stored one."""
    spec = test.spec.model_dump(mode="json")
    row = {"test_id": test.test_id, "spec": spec, "begin": test.begin, "started_at": test.started_at}
    if not connection.execute(insert(TEST).values(row).on_conflict_do_nothing()).rowcount:
        return get_test(connection, test.test_id)
    rows = [{"test_id": test.test_id, "symbol": own.symbol, "account": _dump(own.account)} for own in accounts]
    connection.execute(insert(SYMBOL), rows)
    return test


def parse_test_id(text: str) -> uuid.UUID:
    """Return the id of a test.

    Raises:
        ForwardTestNotFound: The text is not a UUID.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ForwardTestNotFound(repr(text[:80])) from None


def get_test(connection: Connection, test_id: uuid.UUID) -> ForwardTest:
    """Return a test.

    Raises:
        ForwardTestNotFound: No test has this id.
    """
    row = connection.execute(select(TEST).where(TEST.c.test_id == test_id)).one_or_none()
    if row is None:
        raise ForwardTestNotFound(test_id)
    return _to_test(row)


def list_tests(connection: Connection, *, active: bool = False) -> list[ForwardTest]:
    """Return all tests, or the active ones, the newest first."""
    query = select(TEST).order_by(TEST.c.started_at.desc(), TEST.c.test_id)
    rows = connection.execute(query.where(TEST.c.stopped_at.is_(None)) if active else query)
    return [_to_test(row) for row in rows]


def symbol_states(connection: Connection, test_id: uuid.UUID) -> dict[str, SymbolState]:
    """Return the state of each symbol of a test."""
    rows = connection.execute(select(SYMBOL).where(SYMBOL.c.test_id == test_id).order_by(SYMBOL.c.symbol))
    return {row.symbol: _to_state(row) for row in rows}


def active_states(connection: Connection) -> list[tuple[ForwardTest, SymbolState]]:
    """Return each symbol of each active test."""
    tests = {test.test_id: test for test in list_tests(connection, active=True)}
    rows = connection.execute(select(SYMBOL).where(SYMBOL.c.test_id.in_(tests)).order_by(SYMBOL.c.symbol))
    return [(tests[row.test_id], _to_state(row)) for row in rows]


def lock_active(connection: Connection, test_id: uuid.UUID, symbol: str) -> SymbolState:
    """Lock a symbol of a test until the transaction ends, keep the test from being stopped, and return its state.

    Raises:
        ForwardTestStopped: The test was stopped.
    """
    active = select(TEST.c.stopped_at).where(TEST.c.test_id == test_id).with_for_update(read=True)
    if connection.execute(active).scalar_one() is not None:
        raise ForwardTestStopped(test_id)
    return _locked(connection, test_id, symbol)


def stop(connection: Connection, test_id: uuid.UUID, now: datetime) -> ForwardTest:
    """Mark a test as stopped: no decision is recorded after it. A stopped one stays as it is.

    Raises:
        ForwardTestNotFound: No test has this id.
    """
    unless_stopped = update(TEST).where(TEST.c.test_id == test_id, TEST.c.stopped_at.is_(None))
    connection.execute(unless_stopped.values(stopped_at=now))
    return get_test(connection, test_id)


def add_decision(connection: Connection, test_id: uuid.UUID, decision: Decision) -> None:
    """Store a decision."""
    columns = ("open", "high", "low", "close", "volume")
    names = [column.name for column in DECISION.c if column.name not in {"test_id", *columns, *Choice._fields}]
    values = {name: getattr(decision, name) for name in names}
    prices = dict(zip(columns, decision.candle, strict=True))
    connection.execute(insert(DECISION).values(values | prices | decision.choice._asdict() | {"test_id": test_id}))


def save_state(connection: Connection, test_id: uuid.UUID, state: SymbolState) -> None:
    """Store the state of a symbol."""
    values = {
        "account": _dump(state.account),
        "last_bar": state.last_bar,
        "warm_up": state.warm_up and state.warm_up.model_dump(mode="json"),
        "checked_code": state.checked_code,
        "failure": state.failure,
        "failed_at": state.failed_at,
    }
    connection.execute(update(SYMBOL).where(_is_symbol(test_id, state.symbol)).values(values))


def set_failure(connection: Connection, test_id: uuid.UUID, symbol: str, failure: str, now: datetime) -> None:
    """Store why a symbol could not advance, and since when."""
    values = {"failure": failure, "failed_at": func.coalesce(SYMBOL.c.failed_at, now)}
    connection.execute(update(SYMBOL).where(_is_symbol(test_id, symbol)).values(values))


def read_decisions(
    connection: Connection,
    test_id: uuid.UUID,
    *,
    symbol: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int | None = None,
) -> list[Decision]:
    """Return decisions of a test, the newest first.

    Args:
        connection: A transaction.
        test_id: The test.
        symbol: Limit them to a symbol.
        before: Open of the candle and symbol of the decision after which to continue.
        limit: The most to return; all if None.
    """
    order = (DECISION.c.bar_time, DECISION.c.symbol)
    query = select(DECISION).where(DECISION.c.test_id == test_id).order_by(*(column.desc() for column in order))
    query = query if symbol is None else query.where(DECISION.c.symbol == symbol)
    query = query if before is None else query.where(tuple_(*order) < before)
    return [_to_decision(row) for row in connection.execute(query.limit(limit))]


def last_decisions(connection: Connection, test_id: uuid.UUID) -> dict[str, Decision]:
    """Return the last decision of each symbol that has one."""
    is_last = (
        (DECISION.c.test_id == SYMBOL.c.test_id)
        & (DECISION.c.symbol == SYMBOL.c.symbol)
        & (DECISION.c.bar_time == SYMBOL.c.last_bar)
    )
    query = select(DECISION).join(SYMBOL, is_last).where(SYMBOL.c.test_id == test_id)
    return {row.symbol: _to_decision(row) for row in connection.execute(query)}


def count_decisions(connection: Connection, test_id: uuid.UUID) -> tuple[int, int]:
    """Return the number of decisions of a test, and of those that were made late."""
    late = func.count().filter(DECISION.c.late)
    row = connection.execute(select(func.count(), late).where(DECISION.c.test_id == test_id)).one()
    return row[0], row[1]


def lock_symbols(connection: Connection, test: ForwardTest) -> list[SymbolState]:
    """Lock all symbols of a test until the transaction ends, and return their states."""
    return [_locked(connection, test.test_id, symbol) for symbol in sorted(test.spec.symbols)]


def _locked(connection: Connection, test_id: uuid.UUID, symbol: str) -> SymbolState:
    query = select(SYMBOL).where(_is_symbol(test_id, symbol)).with_for_update()
    return _to_state(connection.execute(query).one())


def _is_symbol(test_id: uuid.UUID, symbol: str) -> Any:  # noqa: ANN401 -- a condition
    return (SYMBOL.c.test_id == test_id) & (SYMBOL.c.symbol == symbol)


def _dump(account: AccountState) -> Any:  # noqa: ANN401 -- JSON
    return _ACCOUNT.dump_python(account, mode="json")


def _to_test(row: Any) -> ForwardTest:  # noqa: ANN401 -- a row
    stopped = row.stopped_at and row.stopped_at.astimezone(UTC)
    return ForwardTest(row.test_id, ForwardSpec(**row.spec), row.begin, row.started_at.astimezone(UTC), stopped)


def _to_state(row: Any) -> SymbolState:  # noqa: ANN401 -- same
    warm_up = row.warm_up and WarmUp(**row.warm_up)
    account = _ACCOUNT.validate_python(row.account)
    failed = row.failed_at and row.failed_at.astimezone(UTC)
    return SymbolState(row.symbol, account, row.last_bar, warm_up, row.checked_code, row.failure, failed)


def _to_decision(row: Any) -> Decision:  # noqa: ANN401 -- same
    return Decision(
        symbol=row.symbol,
        bar_time=row.bar_time,
        candle=(row.open, row.high, row.low, row.close, row.volume),
        choice=Choice(row.entry, row.exit, row.hold),
        decided_at=row.decided_at.astimezone(UTC),
        late=row.late,
        missing=row.missing,
        code_sha256=row.code_sha256,
        params_sha256=row.params_sha256,
        history_start=row.history_start,
        history_sha256=row.history_sha256,
    )
