"""Market symbols: `BTC_KRW` throughout this project, `KRW-BTC` in Upbit's API."""

import re
from collections.abc import Iterable
from functools import lru_cache

from coin_pipeline.errors import InvalidSymbol, coded, did_you_mean

UPBIT_QUOTES = ("KRW", "IDR", "THB", "SGD", "USDT", "BTC", "ETH")
"""Quotes of Upbit's markets in Korea, Indonesia, Thailand and Singapore, with that of its former ETH markets."""
QUOTES = (
    *UPBIT_QUOTES[:4],
    *("AED", "ARS", "AUD", "BIDR", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "EUR", "GBP", "HKD", "INR", "JPY"),
    *("KZT", "MXN", "MYR", "NGN", "PHP", "PLN", "RON", "RUB", "TRY", "TWD", "UAH", "USD", "VND", "ZAR"),
    *("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "BTC", "ETH"),
)
"""Currencies that markets are quoted in. Of two, the one listed first is the usual quote: ETH trades in BTC."""
_MAX_SIDE, _USUAL_BASE = 20, 3
_SIDE = r"[A-Z0-9]+(?:\.[A-Z0-9]+)*"  # a folder may be named like it: no leading dot and no ..
_CANONICAL = re.compile(rf"({_SIDE})_({_SIDE})")
_UPBIT = re.compile(rf"({_SIDE})-({_SIDE})")


def parse_symbol(text: str) -> str:
    """Return the canonical BASE_QUOTE symbol of a market given as BASE_QUOTE or as Upbit's QUOTE-BASE.

    Other exchanges write BASE-QUOTE, so a hyphen is accepted only if its first side is a quote of Upbit's, and the
    usual one of the second.

    >>> parse_symbol("KRW-BTC"), parse_symbol("BTC-ETH")
    ('BTC_KRW', 'ETH_BTC')

    Raises:
        InvalidSymbol: Not 1 to 20 upper-case letters, digits and inner dots on each side, or a hyphen between a base
            and its quote; the message suggests the likely symbol.
    """
    if _sides(_CANONICAL, text):
        return text
    upbit = _sides(_UPBIT, text)
    if upbit is None:
        raise InvalidSymbol(text, _hint(text))
    quote, base = upbit
    if quote not in UPBIT_QUOTES or _rank(quote) >= _rank(base):
        raise InvalidSymbol(text, _hint(text))
    return f"{base}_{quote}"


@lru_cache(maxsize=1024)  # for each price of a position
def upbit_market(symbol: str) -> str:
    """Return Upbit's QUOTE-BASE name of a market.

    >>> upbit_market("BTC_KRW")
    'KRW-BTC'

    Raises:
        InvalidSymbol: The text is not a market.
    """
    base, quote = parse_symbol(symbol).split("_")
    return f"{quote}-{base}"


def quote_of(symbol: str) -> str:
    """Return the quote currency of a canonical symbol, in which its prices and orders are counted.

    >>> quote_of("ETH_BTC")
    'BTC'
    """
    return symbol.partition("_")[2]


def require_usual_order(symbol: str) -> None:
    """Reject a canonical symbol with its sides swapped, such as KRW_BTC, before candles are stored under it.

    Raises:
        InvalidSymbol: The base is the usual quote of the other side; the message contains the likely symbol.
    """
    base, quote = symbol.split("_")
    if _is_turned(base, quote):
        raise InvalidSymbol(symbol, _hint(symbol))


def likely_symbol(text: str) -> str | None:
    """Return the canonical symbol that a misspelled one probably means, or None.

    >>> likely_symbol("btc/krw"), likely_symbol("BTC-USDT"), likely_symbol("ETHBTC")
    ('BTC_KRW', 'BTC_USDT', 'ETH_BTC')
    """
    letters = text.strip().upper()
    sides = re.split(r"[-_/: ]", letters) if re.search(r"[-_/: ]", letters) else _split(letters)
    if len(sides) != 2:  # noqa: PLR2004 -- base and quote
        return None
    base, quote = reversed(sides) if _is_turned(*sides) else sides
    symbol = f"{base}_{quote}"
    return symbol if _sides(_CANONICAL, symbol) else None


def similar_symbol(symbol: str, known: Iterable[str]) -> str:
    """Return a hint with the known symbol that one probably means, or an empty string.

    >>> similar_symbol("KRW_BTC", ["BTC_KRW"])
    " (did you mean 'BTC_KRW'?)"
    """
    symbols = [other for other in known if other != symbol]
    likely = likely_symbol(symbol)
    if likely in symbols:
        return coded("did_you_mean", name=likely)
    return did_you_mean(symbol, symbols, cutoff=0.8)


def _sides(form: re.Pattern[str], text: str) -> tuple[str, str] | None:
    match = form.fullmatch(text)
    if match is None or max(map(len, match.groups())) > _MAX_SIDE:
        return None
    return match[1], match[2]


def _is_turned(base: str, quote: str) -> bool:
    """Return whether only the opposite can be a market: EUR is traded in USDT too, but not in BTC."""
    return _rank(base) < _rank(quote) and (base == "KRW" or quote in {"BTC", "ETH"} or quote not in QUOTES)


def _rank(currency: str) -> int:
    """Return the position of a currency among the quotes; equal for all that are none."""
    return QUOTES.index(currency) if currency in QUOTES else len(QUOTES)


def _split(letters: str) -> list[str]:
    """Return base and quote of a symbol without a separator: BTCUSDT, or BTC.KRW."""
    ends = sorted((quote for quote in QUOTES if letters.endswith(quote) and letters != quote), key=len, reverse=True)
    sides = [[letters.removesuffix(quote).rstrip("."), quote] for quote in ends]
    # XBTUSD is XBT in USD, not XB in TUSD, and USDTUSD is USDT in USD.
    likely = [side for side in sides if len(side[0]) >= _USUAL_BASE and side != ["USD", "TUSD"]]
    return likely[0] if likely else sides[-1] if sides else [letters]


def _hint(text: str) -> str:
    symbol = likely_symbol(text)
    if symbol is None:
        return ""
    return coded("did_you_mean_upbit" if _UPBIT.fullmatch(text) else "did_you_mean", name=symbol)
