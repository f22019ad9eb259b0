"""Market symbols: `BTC_KRW` throughout this project, `KRW-BTC` in Upbit's API."""

import re

from coin_pipeline.errors import InvalidSymbol

_CANONICAL = re.compile(r"([A-Z0-9]{1,20})_([A-Z0-9]{1,20})")
_UPBIT = re.compile(r"([A-Z0-9]{1,20})-([A-Z0-9]{1,20})")


def parse_symbol(text: str) -> str:
    """Return the canonical BASE_QUOTE symbol of a market given as BASE_QUOTE or as Upbit's QUOTE-BASE.

    >>> parse_symbol("KRW-BTC")
    'BTC_KRW'

    Raises:
        InvalidSymbol: Not 1 to 20 upper-case letters and digits on each side.
    """
    if _CANONICAL.fullmatch(text):
        return text
    upbit = _UPBIT.fullmatch(text)
    if upbit is None:
        raise InvalidSymbol(text)
    quote, base = upbit.groups()
    return f"{base}_{quote}"


def upbit_market(symbol: str) -> str:
    """Return Upbit's QUOTE-BASE name of a market.

    >>> upbit_market("BTC_KRW")
    'KRW-BTC'

    Raises:
        InvalidSymbol: The text is not a market.
    """
    base, quote = parse_symbol(symbol).split("_")
    return f"{quote}-{base}"
