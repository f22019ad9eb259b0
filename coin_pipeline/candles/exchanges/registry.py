"""What is asked of an exchange, and which ones there are."""

import hashlib
import os
import tempfile
from pathlib import Path

from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.exchanges.ccxt import open_ccxt
from coin_pipeline.candles.exchanges.upbit import UpbitClient
from coin_pipeline.settings import Settings

UPBIT = UpbitClient.name


def open_exchange(name: str, settings: Settings) -> Exchange:
    """Return an exchange by name: upbit, or one that ccxt knows.

    Raises:
        UnknownExchange: There is no such exchange, or ccxt, which would know, is not installed.
    """
    if name != UPBIT:
        return open_ccxt(name)
    return UpbitClient(base_url=settings.coin_upbit_url, rate_limit_file=rate_limit_file(settings.coin_upbit_url))


def rate_limit_file(url: str) -> Path:
    """Return the file through which all that ask a server from this machine take turns, whatever their DATA_ROOT is."""
    return Path(tempfile.gettempdir()) / f"coin-{os.getuid()}-{hashlib.sha256(url.encode()).hexdigest()[:16]}.turns"
