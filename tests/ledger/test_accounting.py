"""Accounting of one position against figures that were worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from coin_pipeline.errors import LedgerConflict, OverExit, PositionClosed
from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Result, Side
from coin_pipeline.ledger.amounts import EXACT, MAX_VALUE, MIN_VALUE, exact
from tests.ledger.orders import leg


def postings(*amounts: str) -> Postings:
    """Return postings from texts."""
    return Postings(*map(Decimal, amounts))


def result(gross: str, fee: str, slippage: str) -> Result:
    """Return a result from texts."""
    return Result(Decimal(gross), Decimal(fee), Decimal(slippage))


@exact
def product(*factors: Decimal) -> Decimal:
    """Return a product."""
    return math.prod(factors, start=Decimal(1))


@exact
def total(amounts: Postings) -> Decimal:
    """Return the sum of postings."""
    return sum(amounts, Decimal(0))


def test_the_checklists_position_realizes_878_8002() -> None:
    """Entry at 50,010 with a fee of 50.01, exit at 50,989.8 with a fee of 50.9898: 1000 less 100.9998 and 20.2."""
    held, entry = Holding(Side.BUY).enter(leg("BUY", "1", "50000"))
    assert entry == postings("-50060.01", "50000", "50.01", "10")
    assert (held.cost, held.unrealized(Decimal(51000)).net) == (Decimal("50060.01"), Decimal("939.99"))
    closed, settlement = held.exit(leg("SELL", "1", "51000"))
    assert settlement == postings("50938.8102", "-50000", "-50.01", "-10", "100.9998", "20.2", "-1000")
    assert closed.realized == result("1000", "100.9998", "20.2")
    assert closed.realized.net == Decimal("878.8002")
    assert closed[1:5] == (0, 0, 0, 0)


def test_adding_averages_the_cost() -> None:
    """Of 1 at 100 and 3 at 200, each unit costs 175: selling 2 at 250 gains 150."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", "1", "100", "0.01", "0"))
    held, _ = held.enter(leg("BUY", "3", "200", "0.01", "0"))
    assert (held.quantity, held.value, held.fee) == (4, 700, 7)
    held, settlement = held.exit(leg("SELL", "2", "250", "0.01", "0"))
    assert settlement == postings("495", "-350", "-3.5", "0", "8.5", "0", "-150")
    assert (held.quantity, held.value, held.fee, held.realized.net) == (2, 350, Decimal("3.5"), Decimal("141.5"))


def test_partial_exits_that_do_not_divide_leave_nothing() -> None:
    """A seventh of 10 is rounded down to 18 decimals; the last exit takes the rest."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", "4", "2.5", "0", "0"))
    held, _ = held.enter(leg("BUY", "3", "0.000000000000000001", "0", "0"))  # 7 units for 10.000000000000000003
    values = []
    for quantity in ("1", "2", "4"):
        held, settlement = held.exit(leg("SELL", quantity, "1", "0", "0"))
        values.append(-settlement.holding)
    assert values == [*map(Decimal, ("1.428571428571428571", "2.857142857142857144", "5.714285714285714288"))]
    assert held[1:5] == (0, 0, 0, 0)


def test_a_short_position_gains_when_the_price_falls() -> None:
    """Sold 2 at 100 and bought back at 90: 20 less fees of 0.19996 and 0.180036, and slippage of 0.04 and 0.036."""
    held, entry = Holding(Side.SELL).enter(leg("SELL", "2", "100"))
    assert entry == postings("199.76004", "-200", "0.19996", "0.04")
    assert held.cost == Decimal("199.76004")
    assert held.unrealized(Decimal(90)).gross == 20
    closed, settlement = held.exit(leg("BUY", "2", "90"))
    assert settlement == postings("-180.216036", "200", "-0.19996", "-0.04", "0.379996", "0.076", "-20")
    assert closed.realized.net == Decimal("19.544004")


def test_rates_of_zero_cost_nothing() -> None:
    """Then the net result is the gross one."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", "0.3", "10", "0", "0"))
    closed, _ = held.exit(leg("SELL", "0.3", "9", "0", "0"))
    assert closed.realized == (Decimal("-0.3"), 0, 0)


@pytest.mark.parametrize("quantity", [MIN_VALUE, MAX_VALUE])
@pytest.mark.parametrize("price", [MIN_VALUE, MAX_VALUE])
def test_the_smallest_and_the_largest_amounts_are_exact(quantity: Decimal, price: Decimal) -> None:
    """No digit is lost: what left the cash on entering at ten decimals of rates is in the position."""
    rate = Decimal("0.0999999999")
    held, entry = Holding(Side.BUY).enter(Leg(Side.BUY, quantity, price, rate, rate))
    closed, settlement = held.exit(Leg(Side.SELL, quantity, price, rate, rate))
    assert total(entry) == total(settlement) == 0
    assert held.fee == product(quantity, price, rate, Decimal("1.0999999999"))
    assert closed.realized.net == EXACT.add(entry.cash, settlement.cash)


def test_the_decimal_context_of_the_caller_does_not_matter() -> None:
    """The default context would round to 28 digits."""
    order = leg("BUY", "123456789.123456789", "987654321.987654321", "0", "0")
    held, _ = Holding(Side.BUY).enter(order)
    assert held.value == held.cost == order.amounts()[0]
    assert held.value == Decimal("121932631356500531.347203169112635269")


def test_an_exit_takes_at_most_what_is_held() -> None:
    """One unit is held."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", "1", "100"))
    with pytest.raises(OverExit, match="holds 1 units, fewer than"):
        held.exit(leg("SELL", "1.000000000000000001", "100"))


def test_a_closed_position_cannot_be_left() -> None:
    """Its last unit has left."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", "1", "100"))
    closed, _ = held.exit(leg("SELL", "1", "100"))
    with pytest.raises(PositionClosed):
        closed.exit(leg("SELL", "1", "100"))


def test_a_position_holds_at_most_the_largest_quantity() -> None:
    """More could not leave with one order."""
    held, _ = Holding(Side.BUY).enter(leg("BUY", f"{MAX_VALUE:f}", "1"))
    with pytest.raises(LedgerConflict, match="more than 1000000000000000000"):
        held.enter(leg("BUY", "0.000000000000000001", "1"))
