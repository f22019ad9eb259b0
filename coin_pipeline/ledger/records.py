"""Orders, positions and journal entries of the ledger."""

import hashlib
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Result
from coin_pipeline.ledger.amounts import ZERO, plain

DEFAULT_BOOK: Final = "paper"
"""Book of orders that name none; a book is an account of its own."""
MAX_BOOK: Final = 100
"""Characters of a book's name."""
MAX_KEY: Final = 255
"""Characters of an idempotency key."""
MAX_NOTE: Final = 1000
"""Characters of a note."""
PAGE_SIZE: Final = 100
"""Positions per page of a list unless a caller asks for another number."""
EntryKind = Literal["ENTER", "EXIT"]
StatusFilter = Literal["closed", "open", "all"]


class EnterOrder(NamedTuple):
    """An order that opens a position or adds to it; on the side opposite to the open position it reduces that.

    Attributes:
        symbol: Canonical symbol.
        leg: Side, quantity, price and rates.
        book: Book of the position.
        at: Time of the fill, UTC; the database's clock if None.
        key: Idempotency key, unique within the book; generated if None.
        note: Free text that is stored with the entry.
        at_market: Whether the price is the newest known one, which may differ when the order is sent again.
    """

    symbol: str
    leg: Leg
    book: str = DEFAULT_BOOK
    at: datetime | None = None
    key: str | None = None
    note: str | None = None
    at_market: bool = False

    def digest(self) -> bytes:
        """Return the SHA-256 of what an order with the same key must repeat."""
        leg = self.leg._replace(price=ZERO) if self.at_market else self.leg
        return _digest("ENTER", self.symbol, *leg, self.at, self.note)


class ExitOrder(NamedTuple):
    """An order that leaves a position, in part or completely.

    Attributes:
        position_id: The position.
        price: Price before slippage.
        fee_rate: Fee as a fraction of the traded value.
        slippage_rate: Slippage as a fraction of the price.
        quantity: Units to exit; all if None.
        at: Time of the fill, UTC; the database's clock if None.
        key: Idempotency key, unique within the book; generated if None.
        note: Free text that is stored with the entry.
        at_market: Whether the price is the newest known one, which may differ when the order is sent again.
    """

    position_id: uuid.UUID
    price: Decimal
    fee_rate: Decimal
    slippage_rate: Decimal
    quantity: Decimal | None = None
    at: datetime | None = None
    key: str | None = None
    note: str | None = None
    at_market: bool = False

    def digest(self) -> bytes:
        """Return the SHA-256 of what an order with the same key must repeat."""
        price = ZERO if self.at_market else self.price
        rates = self.fee_rate, self.slippage_rate
        return _digest("EXIT", self.position_id, self.quantity, price, *rates, self.at, self.note)


class Position(NamedTuple):
    """A position: one per book and symbol is open at a time.

    Attributes:
        position_id: Its id.
        book: Its book.
        symbol: Canonical symbol.
        holding: Open units, their cost, and the realized result.
        entries: Number of its journal entries.
        opened_at: Time of the first fill, UTC.
        closed_at: Time of the fill that closed it, UTC; None while it is open.
    """

    position_id: uuid.UUID
    book: str
    symbol: str
    holding: Holding
    entries: int
    opened_at: datetime
    closed_at: datetime | None

    @property
    def quote(self) -> str:
        """Currency of its prices and amounts."""
        return quote_of(self.symbol)


class JournalEntry(NamedTuple):
    """One change of a position; entries are never changed or removed.

    Attributes:
        entry_id: Its number, ascending in the order of booking within a position.
        book: Book of the position.
        position_id: The position.
        symbol: Canonical symbol.
        sequence: Its number within the position, from 1.
        kind: ENTER or EXIT.
        leg: The executed order.
        postings: Its postings, which add up to zero.
        at: Time of the fill, UTC.
        booked_at: When it was stored, UTC, by the database's clock.
        key: Its idempotency key.
        note: Free text.
    """

    entry_id: int
    book: str
    position_id: uuid.UUID
    symbol: str
    sequence: int
    kind: EntryKind
    leg: Leg
    postings: Postings
    at: datetime
    booked_at: datetime
    key: str
    note: str | None


class SymbolTotal(NamedTuple):
    """Sums over the positions of a book and symbol.

    Attributes:
        book: The book.
        symbol: Canonical symbol.
        entries: Number of journal entries.
        opened: Number of positions, open and closed.
        closed: Number of closed positions.
        won: Number of those with a net result above 0.
        realized: Result of the units that have left.
    """

    book: str
    symbol: str
    entries: int = 0
    opened: int = 0
    closed: int = 0
    won: int = 0
    realized: Result = Result()


class Overview(NamedTuple):
    """The state of a ledger at one moment.

    Attributes:
        totals: Sums by book and symbol.
        positions: The open positions, in the same order; there is at most one per book and symbol.
    """

    totals: list[SymbolTotal]
    positions: list[Position]


class Booked(NamedTuple):
    """What an order did.

    Attributes:
        position: The position right after the entry.
        entry: The journal entry.
        replayed: Whether the key was used before by the same order, so that nothing was booked again.
    """

    position: Position
    entry: JournalEntry
    replayed: bool


def _digest(*values: object) -> bytes:
    return hashlib.sha256(repr([*map(_canonical, values)]).encode("utf-8", "surrogatepass")).digest()


def _canonical(value: object) -> str | None:
    """Return the same text for values that mean the same, such as 1 and 1.0."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return None if value is None else str(value)
