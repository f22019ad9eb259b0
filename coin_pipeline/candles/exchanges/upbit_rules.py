"""Upbit's price ticks and minimum orders as dated data; `docs/engine.md` lists the sources.

Changes take effect in a maintenance window of their day. The rules of a day apply from midnight in Seoul, so a candle
of the hours before the window may hold prices of the previous rules.
"""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.candles.timeframe import day_range
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.ticks import TickEra, TickTable

Bands = tuple[tuple[str, str], ...]
_ALWAYS = None

_KRW_UNTIL_2024: Bands = (
    ("0", "0.0001"),
    ("0.1", "0.001"),
    ("1", "0.01"),
    ("10", "0.1"),
    ("100", "1"),
    ("1000", "5"),
    ("10000", "10"),
    ("100000", "50"),
    ("500000", "100"),
    ("1000000", "500"),
    ("2000000", "1000"),
)
_KRW_2024: Bands = (
    ("0", "0.00000001"),
    ("0.0001", "0.0000001"),
    ("0.001", "0.000001"),
    ("0.01", "0.00001"),
    ("0.1", "0.0001"),
    ("1", "0.001"),
    ("10", "0.01"),
    ("100", "0.1"),
    ("1000", "1"),
    ("10000", "10"),
    ("100000", "50"),
    ("500000", "100"),
    ("1000000", "500"),
    ("2000000", "1000"),
)
_KRW_2025: Bands = (
    ("0", "0.00000001"),
    ("0.00001", "0.0000001"),
    ("0.0001", "0.000001"),
    ("0.001", "0.00001"),
    ("0.01", "0.0001"),
    ("0.1", "0.001"),
    ("1", "0.01"),
    ("10", "0.1"),
    ("100", "1"),
    ("5000", "5"),
    ("10000", "10"),
    ("50000", "50"),
    ("100000", "100"),
    ("500000", "500"),
    ("1000000", "1000"),
)
_USDT_UNTIL_2024: Bands = (("0", "0.001"),)
_USDT_2024: Bands = (
    ("0", "0.00000001"),
    ("0.0001", "0.0000001"),
    ("0.001", "0.000001"),
    ("0.01", "0.00001"),
    ("0.1", "0.0001"),
    ("1", "0.001"),
    ("10", "0.01"),
)
_BTC: Bands = (("0", "0.00000001"),)


def _with_tick(bands: Bands, bound: str, tick: str) -> Bands:
    """Return the bands with another tick in the one that starts at `bound`."""
    return tuple((lower, tick if lower == bound else own) for lower, own in bands)


_CHANGED_2024, _CHANGED_2025 = date(2024, 1, 29), date(2025, 7, 31)
_TICKS: Mapping[str, Mapping[date | None, Bands]] = MappingProxyType(
    {
        "KRW": {_ALWAYS: _KRW_UNTIL_2024, _CHANGED_2024: _KRW_2024, _CHANGED_2025: _KRW_2025},
        "USDT": {_ALWAYS: _USDT_UNTIL_2024, date(2024, 8, 19): _USDT_2024},
        "BTC": {_ALWAYS: _BTC},
    }
)
# The KRW table of 2025-07-31 has no exceptions: it gives the coins of 2024-10-14 their tick of 1, and candles of USDT
# since then have whole prices.
_COARSE_COINS = "ADA ALGO BLUR CELO ELF EOS GRS GRT ICX MANA MINA POL SAND SEI STG TRX"
_EXCEPTIONS: Mapping[str, Mapping[date | None, Bands]] = MappingProxyType(
    {
        **{f"{coin}_KRW": {date(2024, 10, 14): _with_tick(_KRW_2024, "100", "1")} for coin in _COARSE_COINS.split()},
        **{f"{coin}_KRW": {date(2025, 3, 21): _with_tick(_KRW_2024, "1000", "0.5")} for coin in ("USDT", "USDC")},
    }
)
_MIN_ORDER: Mapping[str, Mapping[date | None, float]] = MappingProxyType(
    {
        "KRW": {_ALWAYS: 5_000.0},
        "BTC": {_ALWAYS: 0.0005, date(2024, 8, 19): 0.00005},
        "USDT": {_ALWAYS: 0.0005, date(2024, 8, 19): 0.5},
    }
)
QUOTES = tuple(_TICKS)
"""Quote currencies whose markets have known rules."""


@lru_cache(maxsize=1024)
def tick_table(symbol: str) -> TickTable | None:
    """Return the tick sizes of a market over time; None if the rules of its quote currency are not known.

    >>> tick_table("ETH_EUR") is None
    True
    """
    by_day = _TICKS.get(quote_of(symbol))
    if by_day is None:
        return None
    dated: dict[date | None, Bands] = {**by_day, **_EXCEPTIONS.get(symbol, {})}
    days = sorted(dated, key=lambda day: day or date.min)
    return TickTable(tuple(TickEra(None if day is None else day_range(day, day)[0], dated[day]) for day in days))


def min_orders(symbol: str, time: Ints) -> Floats | None:
    """Return the minimum order of a market at each time, in its quote currency; None if it is not known.

    Args:
        symbol: Name of the market.
        time: Instants, ns UTC, shape (m,).

    >>> min_orders("ETH_BTC", np.array([0, 2**62])).tolist(), min_orders("BTC_EUR", np.array([0]))
    ([0.0005, 5e-05], None)
    """
    by_day = _MIN_ORDER.get(quote_of(symbol))
    if by_day is None:
        return None
    changes = np.array([day_range(day, day)[0] for day in by_day if day is not None], np.int64)
    amounts: Floats = np.array(list(by_day.values()))[np.searchsorted(changes, time, side="right")]
    return amounts
