"""What clients ask the ledger, answered with documents."""

import uuid

from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.marks import CandleMarks
from coin_pipeline.ledger.order_documents import PositionJournal
from coin_pipeline.ledger.requests import MarkQuery
from coin_pipeline.ledger.summary_documents import OpenPositions
from coin_pipeline.ledger.valuation import value_positions


def list_open(ledger: Ledger, marks: CandleMarks, query: MarkQuery) -> OpenPositions:
    """Return the open positions at current prices, by book and symbol."""
    positions = ledger.open_positions(query.in_book, query.symbol)
    return OpenPositions.of(value_positions(positions, marks, query.prices))


def describe(ledger: Ledger, position_id: uuid.UUID) -> PositionJournal:
    """Return a position with its journal.

    Raises:
        PositionNotFound: No position has this id.
    """
    return PositionJournal.with_entries(ledger.position(position_id), ledger.journal(position_id))
