"""What is asked of an exchange, and which ones there are."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

from coin_pipeline.candles.exchanges.base import FetchResult
from coin_pipeline.candles.exchanges.ccxt import open_ccxt
from coin_pipeline.candles.exchanges.upbit import UpbitClient
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.settings import Settings

UPBIT = UpbitClient.name


class Exchange(Protocol):
    """Where candles come from."""

    @property
    def name(self) -> str:
        """What the source of a series is called."""

    def finished(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is surely finished, by the exchange's clock, ns UTC."""

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return what one request brings of [begin, end), ns UTC on the grid: it touches `begin` or `end`.

        Raises:
            MarketUnknown: The exchange has no such market.
            ExchangeUnavailable: It does not answer, or refuses for longer than is waited.
            ExchangeAnswer: It answered something else than such candles.
        """

    def close(self) -> None:
        """Close the connections."""


def open_exchange(name: str, settings: Settings) -> Exchange:
    """Return an exchange by name: upbit, or one that ccxt knows.

    Raises:
        UnknownExchange: There is no such exchange, or ccxt, which would know, is not installed.
    """
    if name != UPBIT:
        return open_ccxt(name)
    return UpbitClient(base_url=settings.coin_upbit_url, turns=turns_file(settings.coin_upbit_url))


def turns_file(url: str) -> Path:
    """Return the file through which all that ask a server from this machine take turns, whatever their DATA_ROOT is."""
    return Path(tempfile.gettempdir()) / f"coin-{os.getuid()}-{hashlib.sha256(url.encode()).hexdigest()[:16]}.turns"
