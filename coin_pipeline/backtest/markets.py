"""Rules of a request that depend on its markets: known price ticks, and one quote currency for amounts of money."""

from collections.abc import Sequence

from coin_pipeline.candles.exchanges.upbit_rules import QUOTES, tick_table
from coin_pipeline.errors import InvalidSpec, Problem


def require_known_ticks(tick_sizes: str, symbols: Sequence[str]) -> None:
    """Raise InvalidSpec if the exchange has no known tick sizes for a market."""
    unknown = [] if tick_sizes == "none" else [symbol for symbol in symbols if tick_table(symbol) is None]
    if unknown:
        reason = f"the ticks of {', '.join(unknown)} are not known; {tick_sizes} has ticks for markets in"
        raise InvalidSpec([Problem("tick_sizes", f"{reason} {', '.join(QUOTES)}; use none")])
