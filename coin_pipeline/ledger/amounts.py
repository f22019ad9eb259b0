"""Decimal arithmetic without rounding, except where a division is unavoidable and the rule is stated."""

from decimal import ROUND_DOWN, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

MAX_DECIMALS: Final = 18
"""Decimals of a quantity or a price, and of the share of an amount that leaves with a part of a position."""
RATE_DECIMALS: Final = 10
"""Decimals of a fee or slippage rate."""
MAX_VALUE: Final = Decimal(10) ** 18
"""Quantities and prices are at most this."""
MIN_VALUE: Final = Decimal(10) ** -MAX_DECIMALS
"""Quantities and prices are at least this."""
MAX_RATE: Final = Decimal("0.1")
ZERO: Final = Decimal(0)

# A product of quantity, price and two rates has at most 56 decimals, and 36 digits before the point; a sum of a
# billion of them has 9 digits more. Whatever does not fit raises instead of losing a digit.
EXACT: Final = Context(prec=150, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Clamped])
_ROUNDING: Final = Context(prec=150, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the share of an amount that belongs to a part, rounded down to MAX_DECIMALS.

    All of it belongs to the whole, so that nothing remains when a position is closed. Rounded to nearest, the share of
    a tiny amount could exceed it.

    >>> share(Decimal("50.01"), Decimal(1), Decimal(3))
    Decimal('16.670000000000000000')
    >>> share(Decimal("50.01"), Decimal(3), Decimal(3))
    Decimal('50.01')
    """
    if part == whole:
        return amount
    quotient = _ROUNDING.divide(EXACT.multiply(amount, part), whole)
    return _ROUNDING.quantize(quotient, MIN_VALUE)


def plain(amount: Decimal) -> str:
    """Return an amount as digits without an exponent and without trailing zeros.

    >>> plain(Decimal("878.8002000")), plain(Decimal("1E+3")), plain(Decimal("0E-18"))
    ('878.8002', '1000', '0')
    """
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text
