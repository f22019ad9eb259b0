"""Lookup of exchanges by name."""

import hashlib
import os
import tempfile
from pathlib import Path

from coin_pipeline.candles.exchanges.base import UPBIT, Exchange
from coin_pipeline.candles.exchanges.ccxt import ccxt_names, open_ccxt
from coin_pipeline.candles.exchanges.upbit import UpbitClient, candle_unit
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.settings import Settings


def open_exchange(name: str, settings: Settings) -> Exchange:
    """Return an exchange by name: upbit, or one that ccxt supports.

    Raises:
        UnknownExchange: There is no such exchange, or ccxt is not installed.
    """
    if name != UPBIT:
        return open_ccxt(name)
    url = settings.coin_upbit_url
    return UpbitClient(base_url=url, rate_limit_file=rate_limit_file(url))


def exchange_names() -> list[str]:
    """Return the names that `open_exchange` accepts."""
    return [UPBIT, *(name for name in ccxt_names() if name != UPBIT)]


def require_timeframe(exchange: str, timeframe: Timeframe) -> None:
    """Check before any request that an exchange may have candles of a length; ccxt's are only known when it is asked.

    Raises:
        InvalidTimeframe: Upbit has none; the message contains the timeframe to fetch instead.
    """
    if exchange == UPBIT:
        candle_unit(timeframe)


def rate_limit_file(url: str) -> Path:
    """Return the file in which all processes of this user share a server's rate limit, whatever their DATA_ROOT."""
    return Path(tempfile.gettempdir()) / f"coin-{os.getuid()}-{hashlib.sha256(url.encode()).hexdigest()[:16]}.turns"
