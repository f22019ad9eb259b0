"""What forward tests have recorded and booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from coin_pipeline.forward import store
from coin_pipeline.ledger.rows import to_entry
from coin_pipeline.ledger.tables import JOURNAL

if TYPE_CHECKING:
    from coin_pipeline.forward.records import Decision, ForwardTest, SymbolState
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.ledger.records import JournalEntry


def decisions(ledger: Ledger, test: ForwardTest, symbol: str) -> list[Decision]:
    """Return the decisions of a symbol, the oldest first."""
    return ledger.run(lambda connection: store.read_decisions(connection, test.test_id, symbol=symbol))[::-1]


def state_of(ledger: Ledger, test: ForwardTest, symbol: str) -> SymbolState:
    """Return the state of a symbol."""
    return ledger.run(lambda connection: store.symbol_states(connection, test.test_id)[symbol])


def journal(ledger: Ledger, test: ForwardTest, symbol: str) -> list[JournalEntry]:
    """Return the journal of a symbol, the oldest entry first."""
    query = select(JOURNAL).where(JOURNAL.c.book == test.book, JOURNAL.c.symbol == symbol).order_by(JOURNAL.c.entry_id)
    return ledger.run(lambda connection: [to_entry(row) for row in connection.execute(query)])
