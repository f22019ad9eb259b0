"""Answers that are read from several tables: they are of one moment, even if an order is booked in between."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import Engine, event

from coin_pipeline.database.engine import create_engine
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.queries import describe, read_history
from coin_pipeline.ledger.requests import HistoryQuery
from tests.ledger.orders import buy


@pytest.fixture
def reader(ledger_engine: Engine, ledger: Ledger) -> Iterator[Ledger]:
    """A ledger on which another process books an order right before the first read of the journal."""
    ledger.enter(buy("1"))
    engine = create_engine(ledger_engine.url.render_as_string(hide_password=False))
    booked = []

    def book(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM coin.journal" in statement and not booked:
            booked.append(ledger.enter(buy("2")))

    event.listen(engine, "before_cursor_execute", book)
    yield Ledger(engine)
    engine.dispose()
    assert booked


def test_a_position_and_its_journal(reader: Ledger) -> None:
    """The position has as many entries as its journal."""
    position_id = reader.open_positions()[0].position_id
    document = describe(reader, position_id)
    assert document.entries == len(document.journal) == 1


def test_a_position_of_the_history_and_what_was_traded(reader: Ledger) -> None:
    """An open position holds what has entered."""
    item = read_history(reader, HistoryQuery(status="open")).items[0]
    assert item.quantity == item.entered_quantity == Decimal(1)
