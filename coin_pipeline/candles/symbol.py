"""Names of markets: `BTC_KRW` everywhere in this project, `KRW-BTC` where Upbit is spoken to."""

import re

from coin_pipeline.errors import InvalidSymbol

_CANONICAL = re.compile(r"([A-Z0-9]{1,20})_([A-Z0-9]{1,20})")
_UPBIT = re.compile(r"([A-Z0-9]{1,20})-([A-Z0-9]{1,20})")


def parse_symbol(text: str) -> str:
    """Return the canonical BASE_QUOTE name of a market written as BASE_QUOTE or as Upbit's QUOTE-BASE.

    Raises:
        InvalidSymbol: Anything but upper-case letters and digits, 1 to 20 on each side.
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

    Raises:
        InvalidSymbol: The text is not a market.
    """
    base, quote = parse_symbol(symbol).split("_")
    return f"{quote}-{base}"
