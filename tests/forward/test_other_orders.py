"""Orders booked by hand in the book of a forward test become part of its account, whatever it does next."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.forward.drift.build import read_drift
from coin_pipeline.forward.drift.document import drift_json
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.records import EnterOrder, ExitOrder
from tests.forward.conftest import SYMBOLS
from tests.forward.reading import decisions, journal, state_of

if TYPE_CHECKING:
    from coin_pipeline.forward.records import ForwardTest
    from tests.forward.conftest import Workbench

SYMBOL = SYMBOLS[0]
RATES = Decimal("0.001"), Decimal("0.0002")
TRADING = {"params": {"volume_window": 5, "hold_period_bars": 30}}


def buy(workbench: Workbench, test: ForwardTest, key: str | None = None) -> None:
    """Buy a little by hand."""
    leg = Leg(Side.BUY, Decimal("0.001"), Decimal(100), *RATES)
    workbench.ledger.enter(EnterOrder(SYMBOL, leg, test.book, key=key))


def sell(workbench: Workbench, test: ForwardTest) -> None:
    """Sell all by hand."""
    (position,) = workbench.ledger.open_positions(test.book, SYMBOL)
    workbench.ledger.exit(ExitOrder(position.position_id, Decimal(100), *RATES))


def is_explained(workbench: Workbench, test: ForwardTest) -> bool:
    """Return whether the drift report leaves nothing unexplained."""
    return not drift_json(read_drift(workbench.ledger, test.test_id, workbench.catalog, workbench.registry))[
        "unexplained"
    ]


def units(workbench: Workbench, test: ForwardTest) -> Decimal:
    """Return what the ledger holds."""
    return sum(
        (entry.leg.side.sign * entry.leg.quantity for entry in journal(workbench.ledger, test, SYMBOL)), Decimal(0)
    )


@pytest.fixture
def pending(workbench: Workbench) -> ForwardTest:
    """A test that is about to enter at the next open."""
    test = workbench.start(**TRADING)
    while not state_of(workbench.ledger, test, SYMBOL).account.pending:
        workbench.advance(1)
    return test


@pytest.fixture
def holding(workbench: Workbench, pending: ForwardTest) -> ForwardTest:
    """A test that has just entered."""
    workbench.advance(1)
    return pending


@pytest.mark.parametrize("key", [None, f"{SYMBOL}:mine"])
def test_purchase_before_a_pending_entry(workbench: Workbench, pending: ForwardTest, key: str | None) -> None:
    """The account goes by the purchase and does not enter, so that it has what the ledger holds."""
    buy(workbench, pending, key)
    workbench.advance(2)
    trade = state_of(workbench.ledger, pending, SYMBOL).account.trade
    assert trade
    assert trade.quantity == units(workbench, pending) == Decimal("0.001")
    assert is_explained(workbench, pending)


def test_stop_after_a_sale(workbench: Workbench, holding: ForwardTest) -> None:
    """A position that was sold by hand is not sold again when the test is stopped."""
    sell(workbench, holding)
    workbench.advancer.stop(holding.test_id, close=True)
    assert units(workbench, holding) == 0
    assert is_explained(workbench, holding)


def test_stop_after_a_purchase(workbench: Workbench, holding: ForwardTest) -> None:
    """Units that were bought by hand are sold with those of the test."""
    buy(workbench, holding)
    workbench.advancer.stop(holding.test_id, close=True)
    assert units(workbench, holding) == 0
    assert is_explained(workbench, holding)


def test_close_a_stopped_test(workbench: Workbench, holding: ForwardTest) -> None:
    """A test that was stopped without a sale can still sell, once, at the close of its last candle."""
    stopped = workbench.advancer.stop(holding.test_id)
    assert units(workbench, holding) > 0
    for _ in range(2):
        assert workbench.advancer.stop(holding.test_id, close=True) == stopped
    last = decisions(workbench.ledger, holding, SYMBOL)[-1]
    assert float(journal(workbench.ledger, holding, SYMBOL)[-1].leg.price) == last.candle[3]
    assert units(workbench, holding) == 0
