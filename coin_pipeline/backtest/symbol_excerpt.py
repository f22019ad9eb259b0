"""The first symbols of a backtest and the number of the others, as tags of runs have them and pages show them."""

import re
from collections.abc import Sequence

from coin_pipeline.languages import Language, Text

MAX_TAG_SYMBOLS = 3
_FIRST_SYMBOLS = Text("{first} and {count} more", "{first} 외 {count}개")
_SHORTENED = re.compile(r"(?P<first>.+) and (?P<count>[\d,]+) more")


def first_symbols(symbols: Sequence[str]) -> str:
    """Return the first symbols, since a tag is one line, and the number of the others."""
    first, others = ", ".join(symbols[:MAX_TAG_SYMBOLS]), len(symbols) - MAX_TAG_SYMBOLS
    return _FIRST_SYMBOLS.write("en", first=first, count=f"{others:,}") if others > 0 else first


def translate_symbols(tag: str, language: Language) -> str:
    """Return what `first_symbols` returned in a language.

    >>> translate_symbols("BTC_KRW, ETH_KRW, XRP_KRW and 1,147 more", "ko")
    'BTC_KRW, ETH_KRW, XRP_KRW 외 1,147개'
    """
    shortened = _SHORTENED.fullmatch(tag)
    return _FIRST_SYMBOLS.write(language, **shortened.groupdict()) if shortened else tag
