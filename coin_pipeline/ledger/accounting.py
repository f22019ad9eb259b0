"""Accounting of one position, without storage: a leg and the position before it give a journal entry and the position.

Each entry is double-entry bookkeeping in the quote currency of the market: its postings add up to exactly zero.

Entering at a price moves cash into the position, which carries the value at that price, the fee and the slippage as
three separate balances (average cost: they are shared by all units). Leaving takes the share of each balance that
belongs to the quantity, and settles it: the difference of the values is income, the fees and the slippage of both legs
are expenses. So the net result of a leg that leaves is its gross result less the fees and slippage of both legs.
"""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple

from coin_pipeline.errors import OverExit, PositionClosed
from coin_pipeline.ledger.amounts import EXACT, ZERO, share


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
        return 1 if self is Side.BUY else -1


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
    def effective_price(self) -> Decimal:
        """Price after slippage."""
        with localcontext(EXACT):
            return self.price * (1 + self.side.sign * self.slippage_rate)

    @property
    def value(self) -> Decimal:
        """Quantity at the price before slippage."""
        return EXACT.multiply(self.quantity, self.price)

    @property
    def slippage(self) -> Decimal:
        """Slippage in the quote currency."""
        return EXACT.multiply(self.value, self.slippage_rate)

    @property
    def fee(self) -> Decimal:
        """Fee in the quote currency."""
        with localcontext(EXACT):
            return self.quantity * self.effective_price * self.fee_rate


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


class Result(NamedTuple):
    """A result in the quote currency, split: net = gross - fee - slippage."""

    gross: Decimal = ZERO
    fee: Decimal = ZERO
    slippage: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Result after the fees and slippage of both legs."""
        with localcontext(EXACT):
            return self.gross - self.fee - self.slippage

    def plus(self, other: "Result") -> "Result":
        """Return the sum of two results."""
        return Result(*map(EXACT.add, self, other))


@dataclass(frozen=True, slots=True)
class Holding:
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
    realized: Result = Result()  # noqa: RUF009 - immutable

    @property
    def cost(self) -> Decimal:
        """What the open units cost including fees and slippage; for a short position, what their sale brought."""
        with localcontext(EXACT):
            return self.value + self.side.sign * (self.fee + self.slippage)

    def unrealized(self, price: Decimal) -> Result:
        """Return the result of the open units at a price, with the costs of their entries and without exit costs."""
        with localcontext(EXACT):
            return Result(self.side.sign * (self.quantity * price - self.value), self.fee, self.slippage)

    def enter(self, leg: Leg) -> tuple["Holding", Postings]:
        """Add the units of a leg on the side of the position, and return the new state and the postings.

        Raises:
            ValueError: The leg is on the other side.
        """
        if leg.side is not self.side:
            raise ValueError(f"a {leg.side} order cannot enter a {self.side} position")
        value, fee, slippage, sign = leg.value, leg.fee, leg.slippage, self.side.sign
        with localcontext(EXACT):
            postings = Postings(-sign * value - fee - slippage, sign * value, fee, slippage)
            after = replace(
                self,
                quantity=self.quantity + leg.quantity,
                value=self.value + value,
                fee=self.fee + fee,
                slippage=self.slippage + slippage,
            )
        return after, postings

    def exit(self, leg: Leg) -> tuple["Holding", Postings]:
        """Remove the units of a leg on the opposite side, and return the new state and the postings.

        Raises:
            PositionClosed: No units are left.
            OverExit: The leg has more units than the position.
            ValueError: The leg is on the side of the position.
        """
        if leg.side is self.side:
            raise ValueError(f"a {leg.side} order cannot leave a {self.side} position")
        if not self.quantity:
            raise PositionClosed
        if leg.quantity > self.quantity:
            raise OverExit(leg.quantity, self.quantity)
        value, fee, slippage = (
            share(amount, leg.quantity, self.quantity) for amount in (self.value, self.fee, self.slippage)
        )
        sign = self.side.sign
        with localcontext(EXACT):
            settled = Result(sign * (leg.value - value), leg.fee + fee, leg.slippage + slippage)
            postings = Postings(
                cash=sign * leg.value - leg.fee - leg.slippage,
                holding=-sign * value,
                holding_fee=-fee,
                holding_slippage=-slippage,
                fee=settled.fee,
                slippage=settled.slippage,
                income=-settled.gross,
            )
            after = replace(
                self,
                quantity=self.quantity - leg.quantity,
                value=self.value - value,
                fee=self.fee - fee,
                slippage=self.slippage - slippage,
                realized=self.realized.plus(settled),
            )
        return after, postings
