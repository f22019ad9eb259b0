# ruff: noqa: S608 -- statements are built from the tables
"""SQL of the ledger, built once: SQLAlchemy caches by statement what it compiles."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal,
    select,
    text,
)

from coin_pipeline.ledger.tables import JOURNAL, POSITION, REALIZED, TOTAL

_BOOK, _SYMBOL, _KEY = (
    bindparam("in_book", type_=Text),
    bindparam("in_symbol", type_=Text),
    bindparam("with_key", type_=Text),
)
_ID = bindparam("with_id", type_=Uuid)
_IS_OPEN = POSITION.c.closed_at.is_(None)


def _lock(book: ColumnElement[str], name: ColumnElement[str], kind: int) -> ColumnElement[Any]:
    """Lock a symbol (kind 0) or a key (kind 1) of a book until the transaction ends."""
    return func.pg_advisory_xact_lock(func.hashtextextended(func.concat(book, literal(" "), name), kind))


# With the lock of its key, an order waits for a concurrent one with the same key for another symbol, and finds it.
LOCK = select(_lock(_BOOK, _SYMBOL, 0), _lock(_BOOK, _KEY, 1))
"""Take the locks of an order for a symbol."""
LOCK_POSITION = select(
    POSITION.c.book, _lock(POSITION.c.book, POSITION.c.symbol, 0), _lock(POSITION.c.book, _KEY, 1)
).where(POSITION.c.position_id == _ID)
"""Take the locks of an order for a position, and return its book; no row for an unknown position."""


def _state(position: ColumnElement[bool]) -> Select[Any]:
    now = select(func.clock_timestamp().label("now")).subquery()
    has_key = and_(JOURNAL.c.book == _BOOK, JOURNAL.c.key == _KEY)
    return select(now, JOURNAL, POSITION).select_from(now.outerjoin(JOURNAL, has_key).outerjoin(POSITION, position))


STATE_OF_SYMBOL = _state(and_(POSITION.c.book == _BOOK, POSITION.c.symbol == _SYMBOL, _IS_OPEN))
"""The time, the entry with the key, and the open position of a symbol; the columns of a missing one are null."""
STATE_OF_POSITION = _state(POSITION.c.position_id == _ID)
"""The time, the entry with the key, and the position."""


def _insert(table: Table, prefix: str, *omitted: str) -> str:
    names = [column.name for column in table.c if column.name not in omitted]
    return f"insert into {table} ({', '.join(names)}) values ({', '.join(f':{prefix}_{name}' for name in names)})"


_STATE = ("quantity", "value", "fee", "slippage", *REALIZED, "entries", "closed_at")
_SUMS = [column.name for column in TOTAL.c if not column.primary_key]
# As text: SQLAlchemy compiles an "on conflict" again each time, which takes longer than the statement.
WRITE = text(
    f"""
with entry as ({_insert(JOURNAL, "entry", "entry_id")} returning entry_id),
    written_position as (
        {_insert(POSITION, "position")}
        on conflict (position_id) do update set {", ".join(f"{name} = excluded.{name}" for name in _STATE)}
    ),
    written_total as (
        {_insert(TOTAL, "total")}
        on conflict (book, symbol) do update
        set {", ".join(f"{name} = position_total.{name} + excluded.{name}" for name in _SUMS)}
    )
select entry_id from entry
"""
)
"""Insert an entry, insert or update its position, and add its figures to the total; returns the entry's number."""

POSITION_BY_ID = select(POSITION).where(POSITION.c.position_id == _ID)
IDS_BETWEEN = (
    select(POSITION.c.position_id)
    .where(POSITION.c.position_id.between(bindparam("low", type_=Uuid), bindparam("high", type_=Uuid)))
    .order_by(POSITION.c.position_id)
)
ENTRIES = select(JOURNAL).where(JOURNAL.c.position_id == _ID).order_by(JOURNAL.c.sequence)
OPEN_POSITIONS = select(POSITION).where(_IS_OPEN).order_by(POSITION.c.book, POSITION.c.symbol)
TOTALS = (
    select(TOTAL, POSITION)
    .outerjoin(POSITION, and_(POSITION.c.book == TOTAL.c.book, POSITION.c.symbol == TOTAL.c.symbol, _IS_OPEN))
    .order_by(TOTAL.c.book, TOTAL.c.symbol)
)
"""Each total with its open position; the columns of a missing one are null."""

_LAST = bindparam("last_sequence", type_=Integer)
_IS_FIRST = JOURNAL.c.sequence == 1
_UNITS = func.sum(case((JOURNAL.c.kind == "ENTER", JOURNAL.c.quantity), else_=-JOURNAL.c.quantity))
POSITION_AFTER = (
    select(
        JOURNAL.c.position_id,
        JOURNAL.c.book,
        JOURNAL.c.symbol,
        func.min(JOURNAL.c.side).filter(_IS_FIRST),
        _UNITS,
        func.abs(func.sum(JOURNAL.c.holding)),
        func.sum(JOURNAL.c.holding_fee),
        func.sum(JOURNAL.c.holding_slippage),
        -func.sum(JOURNAL.c.income),
        func.sum(JOURNAL.c.fee),
        func.sum(JOURNAL.c.slippage),
        func.max(JOURNAL.c.sequence),
        func.min(JOURNAL.c.at).filter(_IS_FIRST),
        case((_UNITS == 0, func.min(JOURNAL.c.at).filter(JOURNAL.c.sequence == _LAST))),
    )
    .where(JOURNAL.c.position_id == _ID, JOURNAL.c.sequence <= _LAST)
    .group_by(JOURNAL.c.position_id, JOURNAL.c.book, JOURNAL.c.symbol)
)
"""A position as it was after one of its entries: the sum of the postings up to it, in the columns of POSITION."""
