"""Where a backtest reads its candles."""

from datetime import date, datetime
from typing import Protocol

from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.timeframe import Timeframe


class CandleSource(Protocol):
    """Where a backtest reads its candles: `CandleCatalog` for stored ones, or an object that holds them in memory."""

    def load(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str) -> LoadedCandles:
        """Return the candles that open on the days from `start` to `end` in a time zone, both included."""

    def first_open(self, symbol: str, timeframe: Timeframe) -> datetime | None:
        """Return when the first candle of a market opens, UTC; None if there are no candles."""

    def describe(self, symbol: str, timeframe: Timeframe | None = None, since: date | None = None) -> str:
        """Return a phrase for an error message: which candles of a market exist, and how to get those from a day on."""
