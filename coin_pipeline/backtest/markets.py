"""Rules of a request that depend on its markets: known price ticks, and amounts of money in their quote currency."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.exchanges.upbit_rules import QUOTES, tick_table
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.errors import InvalidSpec, Problem, coded

DEFAULT_CASH: Mapping[str, float] = MappingProxyType({"KRW": 10_000_000.0, "BTC": 1.0, "ETH": 10.0})
"""Initial cash by quote currency."""
OTHER_CASH = 10_000.0
"""Initial cash in any other quote currency, such as USDT."""


def default_cash(symbol: str) -> float:
    """Return the default initial cash of an account that trades a market, in its quote currency."""
    return DEFAULT_CASH.get(quote_of(symbol), OTHER_CASH)


def common_quote(symbols: Sequence[str]) -> str | None:
    """Return the quote currency of markets that share one, or None."""
    quotes = {quote_of(symbol) for symbol in symbols}
    return quotes.pop() if len(quotes) == 1 else None


def first_by_quote(symbols: Sequence[str]) -> dict[str, str]:
    """Return the first market of each quote currency, by the currency.

    >>> first_by_quote(["BTC_KRW", "ETH_KRW", "BTC_USDT"])
    {'KRW': 'BTC_KRW', 'USDT': 'BTC_USDT'}
    """
    by_quote: dict[str, str] = {}
    for symbol in symbols:
        by_quote.setdefault(quote_of(symbol), symbol)
    return by_quote


def resolve_cash(request: BacktestRequest) -> float | None:
    """Return the initial cash of a request; None if it is the default of each market, and these have several quotes.

    Raises:
        InvalidSpec: A market has no known tick sizes, or a shared account would add up several currencies.
    """
    require_known_ticks(request.tick_sizes, request.symbols)
    quote = common_quote(request.symbols)
    if quote is None and request.max_positions is not None:
        by_quote = first_by_quote(request.symbols)
        listed = ", ".join(f"{currency} ({symbol})" for currency, symbol in by_quote.items())
        raise InvalidSpec([Problem("max_positions", coded("several_currencies", listed=listed))])
    if request.initial_cash is None and quote is not None:
        return default_cash(request.symbols[0])
    return request.initial_cash


def require_known_ticks(tick_sizes: str, symbols: Sequence[str]) -> None:
    """Raise InvalidSpec if the exchange has no known tick sizes for a market."""
    unknown = [] if tick_sizes == "none" else [symbol for symbol in symbols if tick_table(symbol) is None]
    if unknown:
        values = {"symbols": ", ".join(unknown), "tick_sizes": tick_sizes, "quotes": ", ".join(QUOTES)}
        raise InvalidSpec([Problem("tick_sizes", coded("unknown_ticks", **values))])
