"""The state machine of orders, on a ledger in a database: with keys, replays, and orders for positions by id."""

import uuid
from decimal import Decimal
from functools import reduce
from itertools import count
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import Engine

from coin_pipeline.errors import IdempotencyConflict, PositionClosed, PositionNotFound
from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Result
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import Booked, EnterOrder, ExitOrder
from tests.ledger.exact_book import Market
from tests.ledger.machine import AMOUNTS, PICKS, RATES, AccountingMachine, Rates, scaled

RUNS = count()


class LedgerMachine(AccountingMachine):
    """Orders for a ledger in a database; each run has books of its own, because nothing can be removed.

    Attributes:
        engine: The database.
        code: The code under test.
    """

    engine: ClassVar[Engine]
    code: ClassVar[type[Ledger]] = Ledger

    @initialize(allow_short=st.booleans())
    def open(self, allow_short: bool) -> None:  # noqa: FBT001 -- drawn by name
        """Start with empty books."""
        self.oracle.allow_short = allow_short
        self.ledger = self.code(self.engine, allow_short=allow_short)
        self.run = next(RUNS)
        self.ids: list[uuid.UUID] = []
        self.booked: list[tuple[EnterOrder | ExitOrder, Booked]] = []

    @precondition(lambda self: self.booked)
    @rule(pick=PICKS)
    def replay(self, pick: int) -> None:
        """Send an order again: the same answer, and nothing is booked."""
        order, booked = self.booked[pick % len(self.booked)]
        self.broken = True
        assert self.submit(order) == booked._replace(replayed=True)
        self.broken = False

    @precondition(lambda self: self.booked)
    @rule(pick=PICKS, price=AMOUNTS)
    def reuse_key(self, pick: int, price: Decimal) -> None:
        """Send another order with a key that was used: it is refused."""
        order, booked = self.booked[pick % len(self.booked)]
        if price == booked.entry.leg.price:
            return
        self.broken = True
        if isinstance(order, EnterOrder):
            other = order._replace(leg=order.leg._replace(price=price))
        else:
            other = order._replace(price=price)
        with pytest.raises(IdempotencyConflict):
            self.submit(other)
        self.broken = False

    @precondition(lambda self: len(self.oracle.positions) > len(self.oracle.open))
    @rule(pick=PICKS, price=AMOUNTS, rates=RATES)
    def exit_closed(self, pick: int, price: Decimal, rates: Rates) -> None:
        """Exit a position that is closed, or that does not exist."""
        self.broken = True
        closed = sorted(set(range(len(self.ids))) - set(self.oracle.open.values()))
        with pytest.raises(PositionClosed):
            self.ledger.exit(ExitOrder(self.ids[closed[pick % len(closed)]], price, *rates))
        with pytest.raises(PositionNotFound):
            self.ledger.exit(ExitOrder(uuid.uuid4(), price, *rates))
        self.broken = False

    def book(self, market: Market, leg: Leg) -> tuple[Holding, Postings]:
        """Send an order; every second exit names its position, and every fourth its quantity only if it is partial."""
        number = self.oracle.open.get(market)
        key = f"{self.run}-{self.sent}"
        order: EnterOrder | ExitOrder = EnterOrder(market[1], leg, self.book_name(market), key=key)
        if number is not None and leg.side.sign != self.oracle.positions[number].sign and self.sent % 2:
            is_all = leg.quantity == scaled(self.open_units(market)) and self.sent % 4 == 1
            order = ExitOrder(self.ids[number], *leg[2:], quantity=None if is_all else leg.quantity, key=key)
        booked = self.submit(order)
        assert not booked.replayed
        assert (booked.entry.book, booked.entry.symbol, booked.entry.leg) == (self.book_name(market), market[1], leg)
        if number is None:
            assert booked.position.position_id not in self.ids
            self.ids.append(booked.position.position_id)
        else:
            assert booked.position.position_id == self.ids[number]
        self.booked.append((order, booked))
        return booked.position.holding, booked.entry.postings

    def submit(self, order: EnterOrder | ExitOrder) -> Booked:
        """Send an order to the ledger."""
        return self.ledger.enter(order) if isinstance(order, EnterOrder) else self.ledger.exit(order)

    def book_name(self, market: Market) -> str:
        """Return the name of a book in this run."""
        return f"{market[0]}-{self.run}"

    def teardown(self) -> None:
        """Read everything back: refused orders left nothing, and the totals are the sums of their parts."""
        if self.broken or not hasattr(self, "ledger"):
            return
        entries = [booked.entry for _, booked in self.booked]
        latest = {booked.position.position_id: booked.position for _, booked in self.booked}
        for position_id, position in latest.items():
            assert self.ledger.position(position_id) == position
            assert self.ledger.journal(position_id) == [e for e in entries if e.position_id == position_id]
        for book in {position.book for position in latest.values()}:
            held = {p.position_id: p for p in latest.values() if p.book == book}
            overview = self.ledger.overview(book)
            assert {p.position_id: p for p in overview.positions} == {
                i: p for i, p in held.items() if p.closed_at is None
            }
            for total in overview.totals:
                parts = [p for p in held.values() if p.symbol == total.symbol]
                closed = [p for p in parts if p.closed_at]
                assert (total.opened, total.closed) == (len(parts), len(closed))
                assert total.won == sum(p.holding.realized.net > 0 for p in closed)
                assert total.realized == reduce(Result.plus, (p.holding.realized for p in parts))
