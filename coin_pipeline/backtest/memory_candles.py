"""Candles in memory as a source of a backtest."""

from collections.abc import Mapping
from datetime import date, datetime

import numpy as np

from coin_pipeline.backtest.fingerprint import candles_digest
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.timeframe import SEOUL, Timeframe, day_range, seoul_day, utc
from coin_pipeline.engine.bars import Bars


class MemoryCandles:
    """A source of candles in memory, one series per symbol, all of one timeframe.

    Args:
        series: The candles of each symbol; they are looked up when they are needed.
    """

    def __init__(self, series: Mapping[str, Bars]) -> None:
        self._series = series

    def load(
        self,
        symbol: str,
        timeframe: Timeframe,  # noqa: ARG002 -- one timeframe
        start: date,
        end: date,
        zone: str = SEOUL,
    ) -> LoadedCandles:
        """Return the candles that open on the days from `start` to `end` in a time zone, both included."""
        bars = self._series[symbol]
        first, stop = np.searchsorted(bars.time, day_range(start, end, zone)).tolist()
        window = bars.window(first, stop)
        candles = OHLCV(window.time, window.open, window.high, window.low, window.close, window.volume)
        return LoadedCandles(candles, Provenance(), candles_digest(window))

    def first_open(self, symbol: str, timeframe: Timeframe) -> datetime | None:  # noqa: ARG002 -- one timeframe
        """Return when the first candle of a symbol opens, UTC."""
        return utc(self._series[symbol].time[0])

    def describe(self, symbol: str, timeframe: Timeframe | None = None, since: date | None = None) -> str:  # noqa: ARG002
        """Return a phrase for an error message: the range of a symbol's candles, in Seoul days."""
        first, last = (seoul_day(utc(time)) for time in self._series[symbol].time[[0, -1]])
        return f"the given candles are those of {first} to {last}"
