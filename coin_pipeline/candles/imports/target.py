"""The market and the timeframe of a file: as requested, as its content names them, or as its name does."""

import re
from collections.abc import Iterator
from pathlib import Path

from coin_pipeline.candles.symbol import QUOTES, likely_symbol, parse_symbol, require_usual_order
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, parse_legacy_timeframe, parse_timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidSymbol, coded

_EXCHANGES = "BINANCE|BITFINEX|BITHUMB|BITSTAMP|BYBIT|COINBASE|COINONE|GEMINI|HUOBI|KORBIT|KRAKEN|KUCOIN|OKX|UPBIT"
_QUOTE = "|".join(QUOTES)
_EDGE, _END = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_SIDE = rf"(?!(?:{_EXCHANGES})(?![A-Z0-9]))[A-Z0-9]{{1,20}}(?:\.[A-Z0-9]+)?"
_SYMBOLS = (
    re.compile(rf"{_EDGE}(?=({_SIDE}_(?:{_QUOTE})){_END})"),  # BTC_KRW
    re.compile(rf"{_EDGE}(?=((?:{_QUOTE})-{_SIDE}){_END})"),  # KRW-BTC
    re.compile(rf"{_EDGE}(?=([A-Z0-9]{{2,12}}(?:KRW|USDT|USDC|FDUSD|USD|EUR|JPY)){_END})"),  # BTCUSDT
)
_TIMEFRAME = re.compile(rf"{_EDGE}([0-9]{{1,3}}[mhdwMHDW]|daily|hourly|minute|d){_END}")
_WORDS = {"daily": "1d", "hourly": "1h", "minute": "1m", "d": "1d"}  # CryptoDataDownload's and Kaggle's
_SUFFIX = re.compile(r"\.[A-Za-z]{2,8}(\.(gz|zip))?$")
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}  # Kraken's and BitMEX's
_YEAR_FILE = re.compile(r"[0-9]{4}\.parquet")


def target_symbol(path: Path, requested: str | None, content: str | None, *, alone: bool) -> str:
    """Return the market of a file.

    Args:
        path: The file.
        requested: The canonical symbol that was requested for all files, if any.
        content: The market that the file names, as it spells it, if any.
        alone: Whether it is the only file: then its name may differ from the requested market.

    Raises:
        InvalidCandleFile: No market is requested or named, or two different ones are.
        InvalidSymbol: The market has its sides swapped.
    """
    inside, named = _canonical(content), symbol_in_name(path)
    symbol = requested or inside or named
    if symbol is None:
        raise InvalidCandleFile(path, coded("no_market"))
    if inside not in {None, symbol}:
        raise InvalidCandleFile(path, coded("holds_other_market", inside=inside, symbol=symbol), "symbol")
    if named not in {None, symbol} and not (alone and requested):
        raise InvalidCandleFile(path, coded("named_otherwise", named=named, requested=symbol))
    require_usual_order(symbol)
    return symbol


def name_note(path: Path, symbol: str) -> tuple[str, ...]:
    """Return a note if the name of a file contains another market than that under which it is stored."""
    named = symbol_in_name(path)
    return () if named in {None, symbol} else (coded("name_of_other_market", named=named, symbol=symbol),)


def require_same_market(path: Path, member: str) -> None:
    """Reject an archive whose name contains another market than that of the file inside.

    Raises:
        InvalidCandleFile: The names contain two different markets.
    """
    outside, inside = symbol_in_name(Path(path.name)), symbol_in_name(Path(member))
    if None not in {outside, inside} and outside != inside:
        reason = coded("archive_of_other_market", outside=outside, member=member, inside=inside)
        raise InvalidCandleFile(path, reason)


def target_timeframe(path: Path, requested: Timeframe | None, *, alone: bool) -> Timeframe:
    """Return the timeframe of a file.

    Args:
        path: The file.
        requested: The timeframe that was requested for all files, if any.
        alone: Whether it is the only file: then its name may differ from the requested timeframe.

    Raises:
        InvalidCandleFile: No timeframe is requested or named, or two different ones are.
        InvalidTimeframe: The name contains one that is not supported, such as `1M`.
    """
    if requested and alone:
        return requested
    named = timeframe_in_name(path)
    if requested is None and named is None:
        raise InvalidCandleFile(path, coded("no_timeframe"))
    if requested and named and requested != named:
        raise InvalidCandleFile(path, coded("named_otherwise", named=named, requested=requested))
    return requested or parse_timeframe(str(named))


def symbol_in_name(path: Path) -> str | None:
    """Return the market that the name of a file or of its folders contains, or None unless it is exactly one.

    >>> symbol_in_name(Path("BTCUSDT-1m-2025-01.zip")), symbol_in_name(Path("KRW-BTC/1d/2024.csv"))
    ('BTC_USDT', 'BTC_KRW')
    """
    for name in _names(path):
        found = {symbol for symbol in _symbols(name) if symbol}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def timeframe_in_name(path: Path) -> Timeframe | None:
    """Return the timeframe that the name of a file or of its folder contains, or None unless it is exactly one.

    >>> timeframe_in_name(Path("BTCUSDT-1m-2025-01.zip")).name
    '1m'

    Raises:
        InvalidTimeframe: It is not supported, such as `1M`.
    """
    if _YEAR_FILE.fullmatch(path.name) and path.parent.name.lower() in TIMEFRAMES:
        return parse_legacy_timeframe(path.parent.name)  # a folder of a DATA_ROOT, where 1M is a minute
    for name in _names(path):
        found = {_WORDS.get(text, text) for text in _TIMEFRAME.findall(name)}
        if found:
            return parse_timeframe(found.pop()) if len(found) == 1 else None
    return None


def _names(path: Path) -> tuple[str, ...]:
    """Return the names to search, the file's first."""
    return (_SUFFIX.sub("", path.name), *(folder.name for folder in path.parents[:2]))


def _symbols(name: str) -> Iterator[str | None]:
    for pattern in _SYMBOLS:
        for text in pattern.findall(name):
            yield _canonical(text)


def _canonical(text: str | None) -> str | None:
    """Return the canonical symbol of a market in any spelling, or None if it is not one in its usual order."""
    if text is None:
        return None
    try:
        symbol = parse_symbol(text)
        require_usual_order(symbol)
    except InvalidSymbol:
        symbol = likely_symbol(text) or ""
    base, separator, quote = symbol.partition("_")
    return f"{_ALIASES.get(base, base)}_{quote}" if separator else None
