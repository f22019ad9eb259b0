"""Accounting of one position, without storage: a leg and the position before it give a journal entry and the position.

Each entry is double-entry bookkeeping in the quote currency of the market: its postings add up to exactly zero.

Entering at a price moves cash into the position, which carries the value at that price, the fee and the slippage as
three separate balances (average cost: they are shared by all units). Leaving takes the share of each balance that
belongs to the quantity, and settles it: the difference of the values is income, the fees and the slippage of both legs
are expenses. So the net result of a leg that leaves is its gross result less the fees and slippage of both legs.
"""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from coin_pipeline.errors import LedgerConflict, OverExit, PositionClosed, coded
from coin_pipeline.ledger.amounts import MAX_VALUE, ZERO, exact, share


class Side(StrEnum):
    """Side of an order; the side of a position is that of its first entry."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The side of the order that leaves a position of this side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for BUY, -1 for SELL."""
        return 1 if self == "BUY" else -1  # the attribute Side.BUY is slow in Python 3.11


class Leg(NamedTuple):
    """An executed paper order.

    Attributes:
        side: Side of the order.
        quantity: Units of the base currency, above 0.
        price: Price before slippage, in the quote currency.
        fee_rate: Fee as a fraction of the traded value, which is at the effective price.
        slippage_rate: Slippage as a fraction of the price, against the trader.
    """

    side: Side
    quantity: Decimal
    price: Decimal
    fee_rate: Decimal
    slippage_rate: Decimal

    @property
    @exact
    def effective_price(self) -> Decimal:
        """Price after slippage."""
        return self.price * (1 + self.side.sign * self.slippage_rate)

    @property
    def fee(self) -> Decimal:
        """Fee in the quote currency."""
        return self.amounts()[1]

    @property
    def slippage(self) -> Decimal:
        """Slippage in the quote currency."""
        return self.amounts()[2]

    @exact
    def amounts(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return value, fee and slippage."""
        value = self.quantity * self.price
        slippage = value * self.slippage_rate
        return value, (value + self.side.sign * slippage) * self.fee_rate, slippage


class Postings(NamedTuple):
    """Postings of an entry by account, in the quote currency; debits are positive, and the sum is zero.

    Attributes:
        cash: Cash.
        holding: Value of the position at the prices of its entries; negative for a short one.
        holding_fee: Fees of entries whose units have not left.
        holding_slippage: Slippage of entries whose units have not left.
        fee: Fees of both legs of units that have left.
        slippage: Slippage of both legs of units that have left.
        income: Gross result of units that have left, before fees and slippage; a gain is negative.
    """

    cash: Decimal
    holding: Decimal
    holding_fee: Decimal
    holding_slippage: Decimal
    fee: Decimal = ZERO
    slippage: Decimal = ZERO
    income: Decimal = ZERO

    @property
    @exact
    def settled(self) -> "Result":
        """Result of the units that left with the entry."""
        return Result(-self.income, self.fee, self.slippage)


class Result(NamedTuple):
    """A result in the quote currency, split: net = gross - fee - slippage."""

    gross: Decimal = ZERO
    fee: Decimal = ZERO
    slippage: Decimal = ZERO

    @property
    @exact
    def net(self) -> Decimal:
        """Result after the fees and slippage of both legs."""
        return self.gross - self.fee - self.slippage

    @exact
    def plus(self, other: "Result") -> "Result":
        """Return the sum of two results."""
        return Result(self.gross + other.gross, self.fee + other.fee, self.slippage + other.slippage)


class Holding(NamedTuple):
    """State of a position.

    Attributes:
        side: BUY for a long position, SELL for a short one.
        quantity: Open units; 0 once it is closed.
        value: Open units at the prices of their entries, before slippage, at least 0.
        fee: Entry fees of the open units.
        slippage: Entry slippage of the open units.
        realized: Result of the units that have left.
    """

    side: Side
    quantity: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    slippage: Decimal = ZERO
    realized: Result = Result()

    @property
    @exact
    def cost(self) -> Decimal:
        """What the open units cost including fees and slippage; for a short position, what their sale brought."""
        return self.value + self.side.sign * (self.fee + self.slippage)

    @exact
    def unrealized(self, price: Decimal) -> Result:
        """Return the result of the open units at a price, with the costs of their entries and without exit costs."""
        return Result(self.side.sign * (self.quantity * price - self.value), self.fee, self.slippage)

    @exact
    def enter(self, leg: Leg) -> tuple["Holding", Postings]:
        """Add the units of a leg on the side of the position, and return the new state and the postings.

        Raises:
            LedgerConflict: The position would hold more than MAX_VALUE units.
            ValueError: The leg is on the other side.
        """
        if leg.side != self.side:
            raise ValueError(f"a {leg.side} order cannot enter a {self.side} position")
        quantity = self.quantity + leg.quantity
        if quantity > MAX_VALUE:
            raise LedgerConflict(coded("position_too_large", quantity=f"{quantity:f}", limit=f"{MAX_VALUE:f}"))
        (value, fee, slippage), sign = leg.amounts(), self.side.sign
        postings = Postings(-sign * value - fee - slippage, sign * value, fee, slippage)
        after = Holding(
            self.side, quantity, self.value + value, self.fee + fee, self.slippage + slippage, self.realized
        )
        return after, postings

    @exact
    def exit(self, leg: Leg) -> tuple["Holding", Postings]:
        """Remove the units of a leg on the opposite side, and return the new state and the postings.

        Raises:
            PositionClosed: No units are left.
            OverExit: The leg has more units than the position.
            ValueError: The leg is on the side of the position.
        """
        if leg.side == self.side:
            raise ValueError(f"a {leg.side} order cannot leave a {self.side} position")
        if not self.quantity:
            raise PositionClosed
        if leg.quantity > self.quantity:
            raise OverExit(leg.quantity, self.quantity)
        part, whole, sign = leg.quantity, self.quantity, self.side.sign
        value, fee, slippage = (share(amount, part, whole) for amount in (self.value, self.fee, self.slippage))
        exit_value, exit_fee, exit_slippage = leg.amounts()
        cash = sign * exit_value - exit_fee - exit_slippage
        settled = Result(sign * (exit_value - value), exit_fee + fee, exit_slippage + slippage)
        gross, all_fees, all_slippage = settled
        postings = Postings(cash, -sign * value, -fee, -slippage, all_fees, all_slippage, -gross)
        after = Holding(
            self.side,
            whole - part,
            self.value - value,
            self.fee - fee,
            self.slippage - slippage,
            self.realized.plus(settled),
        )
        return after, postings
