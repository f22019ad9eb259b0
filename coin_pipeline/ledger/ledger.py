"""The ledger: booking and reading in transactions that are repeated when the database asks for it."""

import uuid
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from coin_pipeline.database.engine import run_transaction
from coin_pipeline.ledger import book as booking
from coin_pipeline.ledger.audit import AuditReport, Progress, audit
from coin_pipeline.ledger.history import Filters, Page, read_history
from coin_pipeline.ledger.records import (
    PAGE_SIZE,
    Booked,
    EnterOrder,
    ExitOrder,
    JournalEntry,
    Overview,
    Position,
    SymbolTotal,
)

T = TypeVar("T")


class Ledger:
    """Paper positions in a database.

    Every method may raise DatabaseUnavailable, and DataRefused for a value that a column cannot hold.

    Args:
        engine: The database.
        allow_short: Whether a SELL without a position opens a short one.
    """

    def __init__(self, engine: Engine, *, allow_short: bool = False) -> None:
        self._engine = engine
        self._allow_short = allow_short

    def enter(self, order: EnterOrder) -> Booked:
        """Open a position or add to it; an order on the side opposite to the open position reduces that.

        Raises:
            IdempotencyConflict: The key belongs to another order.
            InvalidInput: An amount is out of range.
            LedgerConflict: The order does not fit the position.
        """
        keyed = booking.with_key(order)
        booked = self.run(lambda connection: booking.enter(connection, keyed, allow_short=self._allow_short))
        return booked if keyed is order else booked._replace(replayed=False)

    def exit(self, order: ExitOrder) -> Booked:
        """Leave a position, in part or completely.

        Raises:
            IdempotencyConflict: The key belongs to another order.
            InvalidInput: An amount is out of range.
            OverExit: The order has more units than the position.
            PositionClosed: The position has no units left.
            PositionNotFound: No position has this id.
        """
        keyed = booking.with_key(order)
        booked = self.run(lambda connection: booking.leave(connection, keyed))
        return booked if keyed is order else booked._replace(replayed=False)

    def position(self, position_id: uuid.UUID) -> Position:
        """Return a position.

        Raises:
            PositionNotFound: No position has this id.
        """
        return self.run(lambda connection: booking.get_position(connection, position_id))

    def ids_starting(self, start: str, limit: int) -> list[uuid.UUID]:
        """Return the first ids of positions, in order, that begin with some digits.

        Args:
            start: Hexadecimal digits, with or without hyphens.
            limit: Maximum number of ids.
        """
        return self.run(lambda connection: booking.ids_starting(connection, start, limit))

    def journal(self, position_id: uuid.UUID) -> list[JournalEntry]:
        """Return the entries of a position in the order of booking; none if no position has this id."""
        return self.run(lambda connection: booking.read_journal(connection, position_id))

    def open_positions(self, book: str | None = None, symbol: str | None = None) -> list[Position]:
        """Return open positions by book and symbol.

        Args:
            book: Their book; any if None.
            symbol: Their symbol; any if None.
        """
        return self.run(lambda connection: booking.open_positions(connection, book, symbol))

    def overview(self, book: str | None = None) -> Overview:
        """Return the totals and the open positions of one moment, by book and symbol.

        Args:
            book: Their book; any if None.
        """
        return self.run(lambda connection: booking.read_overview(connection, book))

    def totals(self, book: str | None = None) -> list[SymbolTotal]:
        """Return the sums over positions by book and symbol.

        Args:
            book: Their book; any if None.
        """
        return self.overview(book).totals

    def history(self, filters: Filters, cursor: str | None = None, limit: int = PAGE_SIZE) -> Page:
        """Return a page of matching positions, newest first.

        A client that follows cursors sees each position once and misses none that matched at its first page, even if
        positions are opened and closed meanwhile.

        Args:
            filters: Conditions.
            cursor: Token of the cursor to start after; None for the first page.
            limit: Positions per page.

        Raises:
            InvalidInput: `cursor` is not a cursor.
        """
        return self.read(lambda connection: read_history(connection, filters, cursor, limit))

    def audit(self, progress: Progress | None = None) -> AuditReport:
        """Compute all postings, positions and totals again from the orders in the journal, and compare what is stored.

        Args:
            progress: Receives how many entries have been checked, and how many there are.
        """
        return self.read(lambda connection: audit(connection, progress))

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run idempotent work in a READ COMMITTED transaction, and commit it.

        Args:
            work: The work, such as several orders with keys; it may run more than once.
        """
        return run_transaction(self._engine, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run reads of one snapshot."""
        return run_transaction(self._engine, work, "REPEATABLE READ", read_only=True)
