"""A state machine that sends orders of any kind to a ledger, and compares every answer with the oracle."""

import os
import sys
import time
from decimal import Decimal
from fractions import Fraction
from itertools import product
from operator import add
from types import ModuleType
from typing import ClassVar, TypeAlias

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from coin_pipeline.errors import LedgerConflict
from coin_pipeline.ledger import accounting
from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Side
from coin_pipeline.ledger.amounts import EXACT, MAX_DECIMALS, MAX_VALUE
from tests.ledger.exact_book import ExactBook, ExactPosition, Market, fill

STEPS = int(os.environ.get("COIN_LEDGER_STEPS", "1000000"))
"""Steps in the long tier."""
STEPS_PER_RUN, CHUNK = 25, 20_000
UNITS = int(MAX_VALUE) * 10**MAX_DECIMALS
Rates: TypeAlias = tuple[Decimal, Decimal]
MARKETS: list[Market] = [
    ("paper", "BTC_KRW"),
    ("paper", "ETH_BTC"),
    ("forward:1", "BTC_KRW"),
    ("forward:1", "BTC_USDT"),
]


def scaled(units: int) -> Decimal:
    """Return a number of units of the last decimal as an amount."""
    return EXACT.scaleb(Decimal(units), -MAX_DECIMALS)


# Drawing takes longer than an order, so there are few draws. Hypothesis prefers short numbers: rounding is frequent.
AMOUNTS = st.integers(1, UNITS).map(scaled)
RATES = st.sampled_from(list(product(map(Decimal, ("0", "1e-10", "0.001", "0.0002", "0.0123456789", "0.1")), repeat=2)))
"""Fee and slippage rate; the amounts are linear in them."""
MARKET_SIDES = st.sampled_from(list(product(MARKETS, Side)))
PICKS = st.integers(0, 2**130)
"""Numbers whose remainders select something that is known only when a rule runs."""


class AccountingMachine(RuleBasedStateMachine):
    """Orders for the accounting code alone.

    Attributes:
        accounting: The code under test.
        sent: Number of orders of all machines.
    """

    accounting: ClassVar[ModuleType] = accounting
    sent: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.oracle = ExactBook(allow_short=True)
        self.holdings: list[Holding] = []
        self.balances: list[list[Fraction]] = []
        self.broken = False

    @rule(market_side=MARKET_SIDES, quantity=AMOUNTS, price=AMOUNTS, rates=RATES)
    def trade(self, market_side: tuple[Market, Side], quantity: Decimal, price: Decimal, rates: Rates) -> None:
        """Send any order."""
        market, side = market_side
        self.send(market, self.leg(side, quantity, price, *rates))

    @precondition(lambda self: self.oracle.open)
    @rule(pick=PICKS, price=AMOUNTS, rates=RATES)
    def exit_part(self, pick: int, price: Decimal, rates: Rates) -> None:
        """Exit any part of an open position."""
        market = self.pick_open(pick)
        self.send(market, self.exit_leg(market, 1 + pick % self.open_units(market), price, *rates))

    @precondition(lambda self: self.oracle.open)
    @rule(pick=PICKS, price=AMOUNTS, rates=RATES)
    def exit_all(self, pick: int, price: Decimal, rates: Rates) -> None:
        """Close an open position, or exit one unit of the last decimal more than it has."""
        market = self.pick_open(pick)
        self.send(market, self.exit_leg(market, self.open_units(market) + (pick % 3 == 0), price, *rates))

    def teardown(self) -> None:
        """Close every position; then the results are what was received less what was paid."""
        if self.broken:
            return  # an order failed, and that error is the one to report
        for market in list(self.oracle.open):
            self.send(market, self.exit_leg(market, self.open_units(market), Decimal(7), Decimal("0.001"), Decimal(0)))
        total = accounting.Result()
        for holding in self.holdings:
            total = total.plus(holding.realized)
        assert Fraction(total.net) == sum(position.cash for position in self.oracle.positions)

    def pick_open(self, pick: int) -> Market:
        """Return one of the markets that have an open position."""
        markets = list(self.oracle.open)
        return markets[pick % len(markets)]

    def open_units(self, market: Market) -> int:
        """Return the quantity of the open position of a market in units of the last decimal."""
        return int(self.oracle.positions[self.oracle.open[market]].quantity * 10**MAX_DECIMALS)

    def exit_leg(self, market: Market, units: int, *amounts: Decimal) -> Leg:
        """Return an order that leaves the open position of a market."""
        is_long = self.oracle.positions[self.oracle.open[market]].sign > 0
        return self.leg(Side.SELL if is_long else Side.BUY, scaled(units), *amounts)

    def leg(self, side: Side, *amounts: Decimal) -> Leg:
        """Return an order of the code under test."""
        leg: Leg = self.accounting.Leg(self.accounting.Side(side), *amounts)
        return leg

    def send(self, market: Market, leg: Leg) -> None:
        """Send an order, which must be booked or refused as the oracle requires."""
        type(self).sent += 1
        self.broken = True
        try:
            booked = self.book(market, leg)
        except LedgerConflict:
            booked = None
        number = self.oracle.submit(market, fill(leg.side.sign, *leg[1:]))
        assert (number is None) == (booked is None)
        if number is None or booked is None:
            self.broken = False
            return
        holding, postings = booked
        assert sum(map(Fraction, postings)) == 0
        if number == len(self.holdings):
            self.holdings.append(holding)
            self.balances.append([Fraction()] * len(postings))
        self.holdings[number] = holding
        self.balances[number] = list(map(add, self.balances[number], map(Fraction, postings)))
        check(holding, Postings(*self.balances[number]), self.oracle.positions[number])
        self.broken = False

    def book(self, market: Market, leg: Leg) -> tuple[Holding, Postings]:
        """Book an order; return the position after it, and the postings."""
        number = self.oracle.open.get(market)
        holding = self.accounting.Holding(leg.side) if number is None else self.holdings[number]
        booked: tuple[Holding, Postings] = holding.enter(leg) if leg.side is holding.side else holding.exit(leg)
        return booked


def check(holding: Holding, balances: Postings, exact: ExactPosition) -> None:
    """Compare a position, and the balances of its accounts, with the oracle.

    Args:
        holding: The position.
        balances: Sum of its postings, as exact rationals.
        exact: What it must be.
    """
    realized, remaining = holding.realized, Fraction(holding.quantity)
    assert (holding.side.sign, remaining, balances.cash) == (exact.sign, exact.quantity, exact.cash)
    assert balances[1:4] == (exact.sign * Fraction(holding.value), holding.fee, holding.slippage)
    assert balances[4:] == (realized.fee, realized.slippage, -Fraction(realized.gross))
    assert Fraction(realized.fee) + Fraction(holding.fee) == exact.fees
    assert Fraction(realized.slippage) + Fraction(holding.slippage) == exact.slippages
    assert abs(Fraction(realized.gross) - exact.gross) <= exact.tolerance
    for amount, per_unit in (
        (holding.value, exact.price),
        (holding.fee, exact.unit_fee),
        (holding.slippage, exact.unit_slippage),
    ):
        assert 0 <= Fraction(amount) - remaining * per_unit <= exact.tolerance


def run_machine(machine: type[AccountingMachine], steps: int) -> None:
    """Run a machine for about a number of steps, and report the orders and the time of a long run.

    Args:
        machine: The machine, which raises if it finds a violation.
        steps: Steps; few are drawn in the same way each time.
    """
    began, before, is_long = time.monotonic(), machine.sent, steps > CHUNK
    for done in range(0, steps, CHUNK):  # Hypothesis remembers all that it drew
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=min(CHUNK, steps - done) // STEPS_PER_RUN,
                stateful_step_count=STEPS_PER_RUN,
                derandomize=not is_long,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            ),
        )
    if is_long:
        seconds = time.monotonic() - began
        sys.stderr.write(f"\n{machine.__name__}: {machine.sent - before:,} orders in {seconds:,.0f} s\n")
