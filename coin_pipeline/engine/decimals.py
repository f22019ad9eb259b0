"""The rounding tolerance for prices, amounts and sums, the one rule by which they are compared.

Prices, rates and amounts are decimals, which binary floats only approximate: ``100 * 1.1`` is 110.00000000000001, and
twenty twentieths do not add up to 1. A number that differs from its limit by less than ``TOLERANCE`` of it is therefore
equal to the limit. Numbers with up to twelve significant digits are thus compared as the decimals they stand for.

Kernels receive the factors as arguments, or limits that are already multiplied by them, because they may only read
constants of their own module.
"""

from decimal import Decimal

TOLERANCE = 1e-12
"""Relative difference below which two numbers are equal.

It is larger than any rounding error of a level (a few 1e-16) or of a sum of 500 volumes (1e-13), and smaller than the
distance between two prices of an exchange or between a price and a level with four decimals (1e-11).
"""
AT_LEAST = 1.0 - TOLERANCE
"""Factor on a limit that is reached from below: ``value >= limit * AT_LEAST``."""
AT_MOST = 1.0 + TOLERANCE
"""Factor on a limit that is reached from above: ``value <= limit * AT_MOST``."""


def one_plus(change: float) -> float:
    """Return the float nearest to 1 plus a decimal fraction; in floats, ``1 - 0.9999`` loses four digits.

    Args:
        change: Fraction, such as 0.1 for a gain or -0.05 for a loss.

    Example:
        >>> one_plus(-0.9999), 1 - 0.9999
        (0.0001, 9.999999999998899e-05)
    """
    return float(1 + Decimal(repr(float(change))))
