"""Booking of orders on an open connection, so that a caller can book in one transaction with its own writes.

The transaction must be READ COMMITTED: an order first waits for its locks and then reads, and the snapshot of a
stricter level would be older than the wait.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Select

from coin_pipeline.errors import IdempotencyConflict, InvalidInput, NoHolding, PositionClosed, PositionNotFound, Problem
from coin_pipeline.ledger import statements
from coin_pipeline.ledger.accounting import Holding, Leg, Side
from coin_pipeline.ledger.amounts import MAX_DECIMALS, MAX_RATE, MAX_VALUE, MIN_VALUE, RATE_DECIMALS, is_amount, is_rate
from coin_pipeline.ledger.records import Booked, EnterOrder, EntryKind, ExitOrder, JournalEntry, Overview, Position
from coin_pipeline.ledger.rows import from_entry, from_position, from_result, to_entry, to_position, to_total
from coin_pipeline.ledger.tables import JOURNAL, POSITION, TOTAL

OrderT = TypeVar("OrderT", EnterOrder, ExitOrder)
_UUID_DIGITS = 32
_DIGEST = JOURNAL.c.keys().index("order_sha256")
_AMOUNT = (is_amount, f"a number from {MIN_VALUE} to {MAX_VALUE} with at most {MAX_DECIMALS} decimals")
_RATE = (is_rate, f"a number from 0 to {MAX_RATE} with at most {RATE_DECIMALS} decimals")
_RULES = {"quantity": _AMOUNT, "price": _AMOUNT, "fee_rate": _RATE, "slippage_rate": _RATE}


class _State(NamedTuple):
    """What an order depends on, read after its locks: the time, the entry with its key, and the position."""

    now: datetime
    entry: Sequence[Any] | None
    position: Position | None


def with_key(order: OrderT) -> OrderT:
    """Return an order with its key, or a new one: booked again after a lost answer, it finds its own entry."""
    return order if order.key is not None else order._replace(key=str(uuid.uuid4()))


def lock(connection: Connection, book: str, symbol: str) -> None:
    """Keep others from booking in a symbol of a book until the transaction ends; its own orders go through."""
    connection.execute(statements.LOCK, {"in_book": book, "in_symbol": symbol, "with_key": symbol})


def enter(connection: Connection, order: EnterOrder, *, allow_short: bool = False) -> Booked:
    """Open a position or add to it; an order on the side opposite to the open position reduces that.

    Args:
        connection: A READ COMMITTED transaction.
        order: The order.
        allow_short: Whether a SELL without a position opens a short one.

    Raises:
        IdempotencyConflict: The key belongs to another order.
        InvalidInput: An amount is out of range.
        LedgerConflict: The order does not fit the position.
    """
    _check(order.leg)
    order = with_key(order)
    names = {"in_book": order.book, "in_symbol": order.symbol, "with_key": order.key}
    connection.execute(statements.LOCK, names)
    state = _read_state(connection, statements.STATE_OF_SYMBOL, names)
    if state.entry is not None:
        return _replay(connection, order, state.entry)
    if state.position is not None:
        kind: EntryKind = "ENTER" if state.position.holding.side is order.leg.side else "EXIT"
        return _write(connection, order, state.now, state.position, order.leg, kind)
    if order.leg.side is Side.SELL and not allow_short:
        raise NoHolding(order.symbol, order.book)
    opened_at = order.at or state.now
    new = Position(uuid.uuid4(), order.book, order.symbol, Holding(order.leg.side), 0, opened_at, None)
    return _write(connection, order, state.now, new, order.leg, "ENTER")


def leave(connection: Connection, order: ExitOrder) -> Booked:
    """Leave a position, in part or completely.

    Args:
        connection: A READ COMMITTED transaction.
        order: The order.

    Raises:
        IdempotencyConflict: The key belongs to another order.
        InvalidInput: An amount is out of range.
        OverExit: The order has more units than the position.
        PositionClosed: The position has no units left.
        PositionNotFound: No position has this id.
    """
    order = with_key(order)
    names: dict[str, Any] = {"with_id": order.position_id, "with_key": order.key}
    locked = connection.execute(statements.LOCK_POSITION, names).one_or_none()
    if locked is None:
        raise PositionNotFound(order.position_id)
    state = _read_state(connection, statements.STATE_OF_POSITION, names | {"in_book": locked[0]})
    if state.entry is not None:
        return _replay(connection, order, state.entry)
    if state.position is None or not state.position.holding.quantity:
        raise PositionClosed(f"position {order.position_id}")
    held = state.position.holding
    quantity = held.quantity if order.quantity is None else order.quantity
    leg = Leg(held.side.opposite, quantity, order.price, order.fee_rate, order.slippage_rate)
    _check(leg)
    return _write(connection, order, state.now, state.position, leg, "EXIT")


def get_position(connection: Connection, position_id: uuid.UUID) -> Position:
    """Return a position.

    Raises:
        PositionNotFound: No position has this id.
    """
    row = connection.execute(statements.POSITION_BY_ID, {"with_id": position_id}).one_or_none()
    if row is None:
        raise PositionNotFound(position_id)
    return to_position(row)


def ids_starting(connection: Connection, start: str, limit: int) -> list[uuid.UUID]:
    """Return the first ids of positions, in order, that begin with some digits.

    Args:
        connection: A transaction.
        start: Hexadecimal digits, with or without hyphens.
        limit: Maximum number of ids.
    """
    digits = start.replace("-", "")
    if len(digits) > _UUID_DIGITS:
        return []
    bounds = {"low": uuid.UUID(digits.ljust(_UUID_DIGITS, "0")), "high": uuid.UUID(digits.ljust(_UUID_DIGITS, "f"))}
    return [*connection.execute(statements.IDS_BETWEEN.limit(limit), bounds).scalars()]


def read_journal(connection: Connection, position_id: uuid.UUID) -> list[JournalEntry]:
    """Return the entries of a position in the order of booking; none if no position has this id."""
    return [to_entry(row) for row in connection.execute(statements.ENTRIES, {"with_id": position_id})]


def open_positions(connection: Connection, book: str | None = None, symbol: str | None = None) -> list[Position]:
    """Return open positions by book and symbol.

    Args:
        connection: A transaction.
        book: Their book; any if None.
        symbol: Their symbol; any if None.
    """
    query = statements.OPEN_POSITIONS
    query = query if book is None else query.where(POSITION.c.book == book)
    query = query if symbol is None else query.where(POSITION.c.symbol == symbol)
    return [to_position(row) for row in connection.execute(query)]


def read_overview(connection: Connection, book: str | None = None) -> Overview:
    """Return the totals and the open positions of one moment, by book and symbol.

    Args:
        connection: A transaction.
        book: Their book; any if None.
    """
    query = statements.TOTALS if book is None else statements.TOTALS.where(TOTAL.c.book == book)
    size = len(TOTAL.c)
    rows = connection.execute(query).all()
    positions = [to_position(row[size:]) for row in rows if row[size] is not None]
    return Overview([to_total(row[:size]) for row in rows], positions)


def _read_state(connection: Connection, query: Select[Any], names: Mapping[str, Any]) -> _State:
    now, *columns = connection.execute(query, names).one()
    entry, position = columns[: len(JOURNAL.c)], columns[len(JOURNAL.c) :]
    return _State(now, None if entry[0] is None else entry, None if position[0] is None else to_position(position))


def _write(
    connection: Connection,
    order: EnterOrder | ExitOrder,
    now: datetime,
    before: Position,
    leg: Leg,
    kind: EntryKind,
) -> Booked:
    """Book an entry, and update the position and the total that derive from it."""
    change = before.holding.enter if kind == "ENTER" else before.holding.exit
    holding, postings = change(leg)
    at, closed = order.at or now, not holding.quantity
    after = before._replace(holding=holding, entries=before.entries + 1, closed_at=at if closed else None)
    entry = JournalEntry(
        entry_id=0,  # assigned by the database
        book=after.book,
        position_id=after.position_id,
        symbol=after.symbol,
        sequence=after.entries,
        kind=kind,
        leg=leg,
        postings=postings,
        at=at,
        booked_at=now,
        key=str(order.key),
        note=order.note,
    )
    counts = {"opened": int(after.entries == 1), "closed": int(closed), "won": int(closed and holding.realized.net > 0)}
    values = {
        "entry": from_entry(entry) | {"order_sha256": order.digest()},
        "position": from_position(after),
        "total": {"book": after.book, "symbol": after.symbol, "entries": 1} | counts | from_result(postings.settled),
    }
    parameters = {
        f"{table}_{name}": str(value) if isinstance(value, uuid.UUID) else value
        for table, row in values.items()
        for name, value in row.items()
    }
    entry_id = connection.execute(statements.WRITE, parameters).scalar_one()
    return Booked(after, entry._replace(entry_id=entry_id), replayed=False)


def _replay(connection: Connection, order: EnterOrder | ExitOrder, row: Sequence[Any]) -> Booked:
    """Return what the order with this key did: the position is the sum of the postings up to its entry."""
    entry, digest = to_entry(row), row[_DIGEST]
    if bytes(digest) != order.digest():
        made = f"entry {entry.sequence} of position {entry.position_id}"
        raise IdempotencyConflict(entry.key, made)
    names = {"with_id": entry.position_id, "last_sequence": entry.sequence}
    position = connection.execute(statements.POSITION_AFTER, names).one()
    return Booked(to_position(position), entry, replayed=True)


def _check(leg: Leg) -> None:
    problems = [
        Problem(name, f"{value!s:.60} is not {rule}")
        for name, (is_valid, rule) in _RULES.items()
        if not is_valid(value := getattr(leg, name))
    ]
    if problems:
        raise InvalidInput(problems)
