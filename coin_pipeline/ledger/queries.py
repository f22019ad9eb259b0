"""What clients ask the ledger, answered with documents."""

import uuid

from coin_pipeline.ledger.book import get_position, read_journal
from coin_pipeline.ledger.documents import HistoryItem, HistoryPage
from coin_pipeline.ledger.history import Filters, Traded
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.marks import CandleMarks
from coin_pipeline.ledger.order_documents import PositionJournal
from coin_pipeline.ledger.requests import HistoryQuery, OpenQuery, SummaryQuery
from coin_pipeline.ledger.summary_documents import OpenPositions, Summary
from coin_pipeline.ledger.valuation import value_positions


def list_open(ledger: Ledger, marks: CandleMarks, query: OpenQuery) -> OpenPositions:
    """Return the open positions at current prices, by book and symbol."""
    positions = ledger.open_positions(query.in_book, query.symbol)
    return OpenPositions.of(value_positions(positions, marks, query.prices))


def summarize(ledger: Ledger, marks: CandleMarks, query: SummaryQuery) -> Summary:
    """Return the sums over all positions, by market and by quote currency."""
    totals, positions = ledger.overview(query.in_book)
    return Summary.of(totals, value_positions(positions, marks, query.prices))


def read_history(ledger: Ledger, query: HistoryQuery) -> HistoryPage:
    """Return a page of positions, newest first.

    Raises:
        EmptyRange: A lower bound exceeds its upper bound.
        InvalidInput: The cursor is not a cursor of this list.
    """
    filters = Filters(book=query.in_book, **query.model_dump(exclude={"limit", "cursor", "book"}))
    page = ledger.history(filters, query.cursor, query.limit)
    items = [
        HistoryItem.traded(
            position,
            page.traded.get((position.position_id, "ENTER"), Traded()),
            page.traded.get((position.position_id, "EXIT"), Traded()),
        )
        for position in page.positions
    ]
    return HistoryPage(total=page.total, limit=query.limit, items=items, next_cursor=page.next_cursor)


def describe(ledger: Ledger, position_id: uuid.UUID) -> PositionJournal:
    """Return a position with its journal.

    Raises:
        PositionNotFound: No position has this id.
    """
    return ledger.read(
        lambda connection: PositionJournal.with_entries(
            get_position(connection, position_id), read_journal(connection, position_id)
        )
    )
