"""Booking of orders on an open connection, so that a caller can book in one transaction with its own writes.

The transaction must be READ COMMITTED: an order first waits for its locks and then reads, and the snapshot of a
stricter level would be older than the wait.
"""

import uuid
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from coin_pipeline.errors import IdempotencyConflict, InvalidInput, NoHolding, PositionClosed, PositionNotFound, Problem
from coin_pipeline.ledger import statements
from coin_pipeline.ledger.accounting import Holding, Leg, Side
from coin_pipeline.ledger.amounts import MAX_DECIMALS, MAX_RATE, MAX_VALUE, MIN_VALUE, RATE_DECIMALS, is_amount, is_rate
from coin_pipeline.ledger.records import Booked, EnterOrder, EntryKind, ExitOrder, JournalEntry, Overview, Position
from coin_pipeline.ledger.rows import from_entry, from_position, from_result, to_entry, to_position, to_total
from coin_pipeline.ledger.tables import JOURNAL, POSITION, TOTAL

OrderT = TypeVar("OrderT", EnterOrder, ExitOrder)
_ENTRY = slice(1, 1 + len(JOURNAL.c))
_POSITION = slice(_ENTRY.stop, _ENTRY.stop + len(POSITION.c))


def with_key(order: OrderT) -> OrderT:
    """Return an order with its key, or a new one: booked again after a lost answer, it finds its own entry."""
    return order if order.key is not None else order._replace(key=str(uuid.uuid4()))


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
    row = connection.execute(statements.STATE_OF_SYMBOL, names).one()
    if row[1] is not None:
        return _replay(connection, order, row)
    if row[_POSITION.start] is not None:
        before = to_position(row[_POSITION])
        kind: EntryKind = "ENTER" if before.holding.side is order.leg.side else "EXIT"
        return _write(connection, order, row[0], before, order.leg, kind)
    if order.leg.side is Side.SELL and not allow_short:
        raise NoHolding(order.symbol, order.book)
    opened_at = order.at or row[0]
    new = Position(uuid.uuid4(), order.book, order.symbol, Holding(order.leg.side), 0, opened_at, None)
    return _write(connection, order, row[0], new, order.leg, "ENTER")


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
    row = connection.execute(statements.STATE_OF_POSITION, names | {"in_book": locked[0]}).one()
    if row[1] is not None:
        return _replay(connection, order, row)
    before = to_position(row[_POSITION])
    held = before.holding
    if not held.quantity:
        raise PositionClosed(f"position {before.position_id}")
    quantity = held.quantity if order.quantity is None else order.quantity
    leg = Leg(held.side.opposite, quantity, order.price, order.fee_rate, order.slippage_rate)
    _check(leg)
    return _write(connection, order, row[0], before, leg, "EXIT")


def get_position(connection: Connection, position_id: uuid.UUID) -> Position:
    """Return a position.

    Raises:
        PositionNotFound: No position has this id.
    """
    row = connection.execute(statements.POSITION_BY_ID, {"with_id": position_id}).one_or_none()
    if row is None:
        raise PositionNotFound(position_id)
    return to_position(row)


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
        0,
        after.book,
        after.position_id,
        after.symbol,
        after.entries,
        kind,
        leg,
        postings,
        at,
        now,
        str(order.key),
        order.note,
    )
    counts = {"opened": int(after.entries == 1), "closed": int(closed), "won": int(closed and holding.realized.net > 0)}
    values = {
        "entry": from_entry(entry) | {"order_sha256": order.digest()},
        "position": from_position(after),
        "total": {"book": after.book, "symbol": after.symbol, "entries": 1} | counts | from_result(postings.settled),
    }
    parameters = {f"{table}_{name}": value for table, row in values.items() for name, value in row.items()}
    entry_id = connection.execute(statements.WRITE, parameters).scalar_one()
    return Booked(after, entry._replace(entry_id=entry_id), replayed=False)


def _replay(connection: Connection, order: EnterOrder | ExitOrder, row: Any) -> Booked:  # noqa: ANN401 -- a row
    """Return what the order with this key did: the position is the sum of the postings up to its entry."""
    entry = to_entry(row[_ENTRY])
    if bytes(row.order_sha256) != order.digest():
        made = f"entry {entry.sequence} of position {entry.position_id}"
        raise IdempotencyConflict(str(order.key), made)
    names = {"with_id": entry.position_id, "last_sequence": entry.sequence}
    position = connection.execute(statements.POSITION_AFTER, names).one()
    return Booked(to_position(position), entry, replayed=True)


def _check(leg: Leg) -> None:
    names = [name for name in ("quantity", "price") if not is_amount(getattr(leg, name))]
    rates = [name for name in ("fee_rate", "slippage_rate") if not is_rate(getattr(leg, name))]
    limits = dict.fromkeys(names, (MIN_VALUE, MAX_VALUE, MAX_DECIMALS)) | dict.fromkeys(
        rates, (0, MAX_RATE, RATE_DECIMALS)
    )
    problems = [
        Problem(
            name, f"{getattr(leg, name)!s:.60} is not a number from {low} to {high} with at most {decimals} decimals"
        )
        for name, (low, high, decimals) in limits.items()
    ]
    if problems:
        raise InvalidInput(problems)
