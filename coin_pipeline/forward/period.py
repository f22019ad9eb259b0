"""Candles of a period that may begin and end within a day, as a source for a backtest and its warm-up."""

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.timeframe import Timeframe, day_of, utc


@dataclass(frozen=True, slots=True)
class PeriodCandles:
    """A source whose range of a backtest is a period: the candles before it are earlier ones, even of the same day.

    A backtest from the day of `first` to that of `last` simulates exactly the candles of the period.

    Attributes:
        source: The stored candles.
        first: Earliest open of a candle of the period, ns UTC.
        last: Latest open of a candle of the period, ns UTC.
    """

    source: CandleSource
    first: int
    last: int

    def days(self, zone: str) -> tuple[date, date]:
        """Return the first and the last day of the period in a time zone."""
        return day_of(utc(self.first), zone), day_of(utc(self.last), zone)

    def load(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str) -> LoadedCandles:
        """Return the candles of the period, or, if all days are before that of `first`, those before the period."""
        first_day, _ = self.days(zone)
        loaded = self.source.load(symbol, timeframe, start, max(end, first_day), zone)
        time = loaded.candles.time
        bounds = (self.first, self.last + 1) if end >= first_day else (np.iinfo(np.int64).min, self.first)
        low, high = np.searchsorted(time, bounds).tolist()
        return replace(loaded, candles=loaded.candles.rows(slice(low, high)))

    def first_open(self, symbol: str, timeframe: Timeframe) -> datetime | None:
        """Return when the first stored candle opens."""
        return self.source.first_open(symbol, timeframe)

    def describe(self, symbol: str, timeframe: Timeframe | None = None, since: date | None = None) -> str:
        """Return what is stored of a market, as a phrase for an error message."""
        return self.source.describe(symbol, timeframe, since)
