"""Decimal arithmetic without rounding, except where a division is unavoidable and the rule is stated."""

from collections.abc import Callable
from decimal import (
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
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


def exact(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function whose Decimal operators must be exact: it runs in the context EXACT.

    Within another such function it costs next to nothing, which `decimal.localcontext` does not.

    >>> exact(lambda: Decimal(10) ** 40 + 1)()
    Decimal('10000000000000000000000000000000000000001')
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        before = getcontext()
        if before is EXACT:
            return function(*args, **kwargs)
        setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(before)

    return run


def is_amount(value: Decimal) -> bool:
    """Return whether a value is a valid quantity or price.

    >>> is_amount(Decimal("1e-18")), is_amount(Decimal("1e-19")), is_amount(Decimal("NaN"))
    (True, False, False)
    """
    return _is_within(value, MIN_VALUE, MAX_VALUE, MAX_DECIMALS)


def is_rate(value: Decimal) -> bool:
    """Return whether a value is a valid fee or slippage rate."""
    return _is_within(value, ZERO, MAX_RATE, RATE_DECIMALS)


@exact
def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the share of an amount, at least 0, that belongs to a part, rounded down to MAX_DECIMALS.

    All of it belongs to the whole, so that nothing remains when a position is closed. Rounded to nearest, the share of
    a tiny amount could exceed it.

    >>> share(Decimal("50.01"), Decimal(1), Decimal(3))
    Decimal('16.670000000000000000')
    >>> share(Decimal("50.01"), Decimal(3), Decimal(3))
    Decimal('50.01')
    """
    if part == whole:
        return amount
    return amount * part // (whole * MIN_VALUE) * MIN_VALUE


def plain(amount: Decimal) -> str:
    """Return an amount as digits without an exponent and without trailing zeros.

    >>> plain(Decimal("878.8002000")), plain(Decimal("1E+3")), plain(Decimal("0E-18"))
    ('878.8002', '1000', '0')
    """
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _is_within(value: Decimal, lowest: Decimal, highest: Decimal, decimals: int) -> bool:
    if not value.is_finite() or not lowest <= value <= highest:
        return False
    try:
        EXACT.quantize(value, Decimal(1).scaleb(-decimals))
    except Inexact:
        return False
    return True
