"""Oracle of the ledger: average cost in exact rationals, and what it accepts, without any of its code.

The ledger rounds down the share of an amount that leaves with a part of a position, to 18 decimals. So for each partial
exit since a position was opened, at most one unit of the last decimal more than here may remain in it.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

LAST_DECIMAL = Fraction(1, 10**18)
MAX_UNITS = 10**18
"""No position may hold more."""
Market: TypeAlias = tuple[str, str]
"""A book and a symbol."""


class Fill(NamedTuple):
    """An order as exact rationals; `sign` is 1 for BUY and -1 for SELL."""

    sign: int
    quantity: Fraction
    price: Fraction
    fee_rate: Fraction
    slippage_rate: Fraction

    @property
    def slippage(self) -> Fraction:
        """What the slippage costs."""
        return self.quantity * self.price * self.slippage_rate

    @property
    def fee(self) -> Fraction:
        """Fee of the traded value, which includes the slippage."""
        return self.fee_rate * self.quantity * self.price * (1 + self.sign * self.slippage_rate)


def fill(sign: int, *amounts: Decimal) -> Fill:
    """Return a fill of decimal amounts."""
    return Fill(sign, *map(Fraction, amounts))


@dataclass
class ExactPosition:
    """One position.

    Attributes:
        sign: 1 for a long position, -1 for a short one.
        quantity: Open units.
        price: Average price of the open units, before slippage.
        unit_fee: Average entry fee of an open unit.
        unit_slippage: Average entry slippage of an open unit.
        cash: Sum of all payments: received minus paid.
        fees: All fees, of both legs.
        slippages: All slippage, of both legs.
        gross: Result of the units that have left, before fees and slippage.
        entries: Number of fills.
        partial_exits: Number of exits that left some units.
    """

    sign: int
    quantity: Fraction = Fraction()
    price: Fraction = Fraction()
    unit_fee: Fraction = Fraction()
    unit_slippage: Fraction = Fraction()
    cash: Fraction = Fraction()
    fees: Fraction = Fraction()
    slippages: Fraction = Fraction()
    gross: Fraction = Fraction()
    entries: int = 0
    partial_exits: int = 0

    @property
    def tolerance(self) -> Fraction:
        """How much of an amount may remain in the position because of rounding."""
        return self.partial_exits * LAST_DECIMAL if self.quantity else Fraction()

    def apply(self, order: Fill) -> None:
        """Add the units of a fill, or remove them if it is on the other side."""
        self.entries += 1
        self.cash -= order.sign * order.quantity * order.price + order.slippage + order.fee
        self.fees += order.fee
        self.slippages += order.slippage
        if order.sign != self.sign:
            self.gross += self.sign * order.quantity * (order.price - self.price)
            self.quantity -= order.quantity
            self.partial_exits += bool(self.quantity)
            return
        before, self.quantity = self.quantity, self.quantity + order.quantity
        self.price = (before * self.price + order.quantity * order.price) / self.quantity
        self.unit_fee = (before * self.unit_fee + order.fee) / self.quantity
        self.unit_slippage = (before * self.unit_slippage + order.slippage) / self.quantity


@dataclass
class ExactBook:
    """All positions, in the order of opening; `open` has the number of the open one of a market, at most one each."""

    allow_short: bool
    positions: list[ExactPosition] = field(default_factory=list)
    open: dict[Market, int] = field(default_factory=dict)

    def submit(self, market: Market, order: Fill) -> int | None:
        """Book an order of a market, and return the number of its position; None if it must be refused."""
        if market not in self.open:
            if order.sign < 0 and not self.allow_short:
                return None
            self.open[market] = len(self.positions)
            self.positions.append(ExactPosition(order.sign))
        number = self.open[market]
        position = self.positions[number]
        if not 0 <= position.quantity + position.sign * order.sign * order.quantity <= MAX_UNITS:
            return None
        position.apply(order)
        if not position.quantity:
            del self.open[market]
        return number
