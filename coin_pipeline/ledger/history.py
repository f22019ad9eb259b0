"""Positions of the past, filtered and page by page.

Closed positions are ordered by the time of the fill that closed them, others by that of their first fill. Neither
changes any more, so that a cursor stays valid while positions are opened and closed.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, DateTime, cast, func, literal, select, tuple_

from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.database.pages import PageCursor, parse_cursor, require_ordered
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.amounts import ZERO, share
from coin_pipeline.ledger.records import Position, StatusFilter
from coin_pipeline.ledger.rows import to_position
from coin_pipeline.ledger.tables import JOURNAL, POSITION

_net = POSITION.c.realized_gross - POSITION.c.realized_fee - POSITION.c.realized_slippage


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on positions; None where a field does not matter. Bounds are inclusive.

    Attributes:
        book: Book of the position.
        symbol: Its symbol, in either spelling.
        side: Its side.
        status: Whether it is closed.
        date_from: First day, in Asia/Seoul, on which it was closed; on which it was opened if status is not "closed".
        date_to: Last such day.
        min_net: Lower bound of the realized net result, in the quote currency.
        max_net: Upper bound of it.

    Raises:
        EmptyRange: A lower bound is above its upper bound.
        InvalidSymbol: The symbol is not a market.
    """

    book: str | None = None
    symbol: str | None = None
    side: Side | None = None
    status: StatusFilter = "closed"
    date_from: date | None = None
    date_to: date | None = None
    min_net: Decimal | None = None
    max_net: Decimal | None = None

    def __post_init__(self) -> None:
        if self.symbol is not None:
            object.__setattr__(self, "symbol", parse_symbol(self.symbol))
        bounds = (
            ("date_from", self.date_from, "date_to", self.date_to),
            ("min_net", self.min_net, "max_net", self.max_net),
        )
        require_ordered(bounds, "position")

    @property
    def time(self) -> Column[Any]:
        """Column by which matching positions are ordered, and to which the days refer."""
        return POSITION.c.closed_at if self.status == "closed" else POSITION.c.opened_at

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield what a position must fulfil."""
        if self.status != "all":
            yield POSITION.c.closed_at.is_(None) if self.status == "open" else POSITION.c.closed_at.is_not(None)
        for column in (POSITION.c.book, POSITION.c.symbol, POSITION.c.side):
            if (value := getattr(self, column.name)) is not None:
                yield column == value
        if self.date_from is not None:
            yield self.time >= _midnight(self.date_from)
        if self.date_to is not None:
            yield self.time < _midnight(self.date_to, days=1)
        if self.min_net is not None:
            yield _net >= self.min_net
        if self.max_net is not None:
            yield _net <= self.max_net


class Traded(NamedTuple):
    """Units that entered or left a position, and their value before slippage.

    Attributes:
        quantity: The units.
        value: The units at their prices, in the quote currency.
    """

    quantity: Decimal = ZERO
    value: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Average price, rounded down to MAX_DECIMALS; None without units."""
        return share(self.value, Decimal(1), self.quantity) if self.quantity else None


class Page(NamedTuple):
    """A page of matching positions, newest first.

    Attributes:
        total: Number of matching positions on all pages.
        positions: Positions of this page.
        traded: What entered and what left each of them, by id and kind of entry, ENTER or EXIT.
        next_cursor: Token of the next page; None on the last page.
    """

    total: int
    positions: list[Position]
    traded: Mapping[tuple[uuid.UUID, str], Traded]
    next_cursor: str | None


def read_history(connection: Connection, filters: Filters, after: str | None, limit: int) -> Page:
    """Return a page of matching positions.

    Args:
        connection: A transaction that reads one snapshot.
        filters: Conditions.
        after: Token of the cursor to start after; None for the first page.
        limit: Positions per page.

    Raises:
        InvalidInput: `after` is not a cursor.
    """
    matching = [*filters.conditions()]
    total = connection.execute(select(func.count()).select_from(POSITION).where(*matching)).scalar_one()
    order = tuple_(filters.time, POSITION.c.position_id)
    query = select(POSITION).where(*matching).order_by(filters.time.desc(), POSITION.c.position_id.desc())
    if after is not None:
        start = parse_cursor(after, _is_uuid)
        query = query.where(order < tuple_(literal(start.time), literal(uuid.UUID(start.row_id))))
    positions = [to_position(row) for row in connection.execute(query.limit(limit + 1))]
    more, positions = len(positions) > limit, positions[:limit]
    traded = _read_traded(connection, (position.position_id for position in positions))
    return Page(total, positions, traded, _cursor(filters, positions[-1]).token() if more else None)


def _read_traded(connection: Connection, ids: Iterable[uuid.UUID]) -> dict[tuple[uuid.UUID, str], Traded]:
    """Sum up the journal of positions: a closed position itself has no units left."""
    sums = func.sum(JOURNAL.c.quantity), func.sum(JOURNAL.c.quantity * JOURNAL.c.price)
    query = (
        select(JOURNAL.c.position_id, JOURNAL.c.kind, *sums)
        .where(JOURNAL.c.position_id.in_(list(ids)))
        .group_by(JOURNAL.c.position_id, JOURNAL.c.kind)
    )
    return {(position_id, kind): Traded(*amounts) for position_id, kind, *amounts in connection.execute(query)}


def _cursor(filters: Filters, position: Position) -> PageCursor:
    return PageCursor(getattr(position, filters.time.name), str(position.position_id))


def _midnight(day: date, days: int = 0) -> ColumnElement[Any]:
    """Return the start of a day in Asia/Seoul; computed by the server, whose calendar has a day after the last one."""
    return func.timezone(SEOUL, cast(literal(day), DateTime) + func.make_interval(0, 0, 0, days))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
