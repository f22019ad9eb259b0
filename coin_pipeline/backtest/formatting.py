"""Formatting of values in documents and messages."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]
_CENTS = 2
_GUARD_DIGITS = 4  # less is the rounding of floats, such as that of a sum
_DECIMALS = {"KRW": 0, "JPY": 0, "IDR": 0, "BTC": 8, "ETH": 8}


def iso_seconds(ns: npt.ArrayLike) -> Any:  # noqa: ANN401 -- text for one instant, a list for an array
    """Format times as ISO 8601 UTC with Z, to the second.

    Args:
        ns: One time or an array of times, ns since the epoch.

    Returns:
        Text for one time, a list of texts for an array.

    >>> iso_seconds(1_700_000_000_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    return np.datetime_as_string(np.asarray(ns, "datetime64[ns]"), unit="s", timezone="UTC").tolist()


def format_param(value: object) -> str:
    """Format a parameter as JSON has it; a text without quotes.

    >>> [format_param(value) for value in (20, 0.1, True, None, "sma", [5, 10])]
    ['20', '0.1', 'true', 'null', 'sma', '[5, 10]']
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def pluralize(number: int, noun: str) -> str:
    """Return a count with its noun.

    >>> pluralize(1, "gap"), pluralize(2_000, "gap")
    ('1 gap', '2,000 gaps')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_amount(amount: float | Decimal, currency: str) -> str:
    """Return an amount of money with its currency, to the usual unit of the currency; a Decimal is not made a float.

    >>> format_amount(12_345_678.9, "KRW"), format_amount(12.345, "USDT"), format_amount(0.00012345, "BTC")
    ('12,345,679 KRW', '12.35 USDT', '0.00012345 BTC')
    >>> format_amount(0.3, "KRW"), format_amount(1.0, "BTC")
    ('0.3 KRW', '1 BTC')
    >>> format_amount(Decimal(10) ** 23, "KRW")
    '100,000,000,000,000,000,000,000 KRW'
    """
    digits = _DECIMALS.get(currency, _CENTS)
    text = f"{amount:,.{digits}f}"
    if amount and not float(text.replace(",", "")):  # too small for the usual unit
        text = np.format_float_positional(float(amount), precision=3, fractional=False, trim="-")
    return f"{text.rstrip('0').rstrip('.') if digits > _CENTS else text} {currency}"


def format_signed_amount(amount: float, currency: str, *, unit: bool = True) -> str:
    """Return a gain or a loss with its sign, and with its currency unless the surrounding text names it.

    >>> format_signed_amount(1234.567, "KRW"), format_signed_amount(-0.3, "BTC"), format_signed_amount(0.0, "KRW")
    ('+1,234.57 KRW', '-0.30000000 BTC', '0 KRW')
    >>> format_signed_amount(-0.00012, "KRW", unit=False), format_signed_amount(-1.8e-7, "KRW")
    ('-0.00012', '0 KRW')
    """
    digits = _DECIMALS.get(currency, 0) or _CENTS
    if abs(amount) < 10 ** -(digits + _GUARD_DIGITS):
        text = "0"
    elif abs(amount) < 10**-digits / 2:
        text = f"{amount:+.2g}"
    else:
        text = f"{amount:+,.{digits}f}"
    return f"{text} {currency}" if unit else text


def iso_microseconds(moment: datetime) -> str:
    """Format a UTC time as ISO 8601 with Z, to the microsecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
