"""Numbers of requests, read as exact decimals and never as floats."""

import re
from decimal import Decimal, Inexact
from typing import Final

from coin_pipeline.errors import Coded, coded
from coin_pipeline.ledger.amounts import EXACT, MAX_DECIMALS, MAX_RATE, MAX_VALUE, MIN_VALUE, RATE_DECIMALS

MAX_CHARACTERS: Final = 100
"""Longest text of a number."""
MAX_BOUND: Final = Decimal(10) ** 36
"""Bounds of results are at most this: the largest quantity at the largest price."""
NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""Pattern of the text of a number."""
_RANGE = f"{float(MIN_VALUE):g} to {float(MAX_VALUE):g}"


def to_decimal(value: object) -> Decimal:
    """Return a number, or the text of one, as it is written.

    >>> to_decimal("12345678901234567.891"), to_decimal(0.1)
    (Decimal('12345678901234567.891'), Decimal('0.1'))

    Raises:
        ValueError: The value is not a finite decimal number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise ValueError(coded("not_a_json_number", value=json_name(value)))  # noqa: TRY004 -- pydantic reports ValueError with the field
    text = str(value)
    if isinstance(value, str) and len(text) > MAX_CHARACTERS:
        raise ValueError(coded("too_many_characters", text=text[:40], count=len(text), limit=MAX_CHARACTERS))
    if not re.fullmatch(NUMBER, text):
        raise ValueError(coded("not_a_decimal", text=text[:40]))
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond 10^18
        raise ValueError(_not_in_range(repr(text[:40]))) from None


def to_amount(value: object) -> Decimal:
    """Return a quantity or a price.

    Raises:
        ValueError: Not a number from MIN_VALUE to MAX_VALUE with at most MAX_DECIMALS decimals.
    """
    amount = to_decimal(value)
    if amount <= 0:
        raise ValueError(coded("not_positive", value=_short(amount)))
    if not MIN_VALUE <= amount <= MAX_VALUE:
        raise ValueError(_not_in_range(_short(amount)))
    return _with_decimals(amount, MAX_DECIMALS)


def to_rate(value: object) -> Decimal:
    """Return a fee or slippage rate.

    Raises:
        ValueError: Not a number from 0 to MAX_RATE with at most RATE_DECIMALS decimals.
    """
    rate = to_decimal(value)
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(coded("not_a_rate", value=_short(rate), limit=MAX_RATE))
    return _with_decimals(rate, RATE_DECIMALS)


def to_bound(value: object) -> Decimal:
    """Return a bound of a result.

    Raises:
        ValueError: Not a number within the range of results with at most MAX_DECIMALS decimals.
    """
    bound = to_decimal(value)
    if not -MAX_BOUND <= bound <= MAX_BOUND:
        raise ValueError(coded("not_a_bound", value=_short(bound)))
    return _with_decimals(bound, MAX_DECIMALS)


def _with_decimals(number: Decimal, most: int) -> Decimal:
    try:
        return EXACT.quantize(number, Decimal(1).scaleb(-most)).normalize(EXACT)
    except Inexact:
        raise ValueError(coded("decimals_exceeded", value=_short(number), limit=most)) from None


def _not_in_range(value: str) -> Coded:
    return coded("amount_out_of_range", value=value, range=_RANGE, low=float(MIN_VALUE), high=float(MAX_VALUE))


def _short(number: Decimal) -> str:
    text = str(number)
    return text if len(text) <= MAX_CHARACTERS // 2 else f"{text[: MAX_CHARACTERS // 2]}..."


def json_name(value: object) -> str:
    """Return a JSON value as a client knows it, not as Python writes it."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(str(value)[:40])
