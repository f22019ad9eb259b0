"""Where a backtest reads its candles."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.timeframe import SEOUL, Timeframe, day_range, seoul_day, utc
from coin_pipeline.errors import CandlesNotFound


class CandleSource(Protocol):
    """Where a backtest reads its candles: `CandleCatalog` for stored ones, or an object that holds them in memory."""

    def load(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str) -> LoadedCandles:
        """Return the candles that open on the days from `start` to `end` in a time zone, both included."""

    def first_open(self, symbol: str, timeframe: Timeframe) -> datetime | None:
        """Return when the first candle of a market opens, UTC; None if there are no candles."""

    def describe(self, symbol: str, timeframe: Timeframe | None = None, since: date | None = None) -> str:
        """Return a phrase for an error message: which candles of a market exist, and how to get those from a day on."""


def raise_if_missing(candles: CandleSource, spec: BacktestSpec, missing: Sequence[str]) -> None:
    """Raise CandlesNotFound if any symbol is missing, with the candles that each has."""
    if missing:
        zone = "" if spec.timezone == SEOUL else f" ({spec.timezone})"
        since = seoul_day(utc(day_range(spec.start_date, spec.end_date, spec.timezone)[0]))
        described = {symbol: candles.describe(symbol, spec.candle_length, since) for symbol in missing}
        raise CandlesNotFound(described, spec.timeframe, spec.start_date, f"{spec.end_date}{zone}")
