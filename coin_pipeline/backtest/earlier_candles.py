"""Candles before the range of a backtest: read as far back as needed, and put before those of the range."""

from dataclasses import dataclass, fields
from datetime import timedelta

import numpy as np

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import candles_digest
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import DAY_NS
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals


@dataclass(frozen=True, slots=True, eq=False)
class WarmBars:
    """Bars of a range and the warm-up bars before them.

    Attributes:
        bars: All bars, those of the warm-up first.
        start: Number of warm-up bars.
    """

    bars: Bars
    start: int

    @property
    def in_range(self) -> Bars:
        """The bars of the range, as views of all bars, so that a caller need not keep them a second time."""
        return self.bars.window(self.start, len(self.bars))

    def of_range(self, signals: Signals) -> Signals:
        """Return the decisions on the bars of the range; those on warm-up bars are dropped."""
        if not self.start:
            return signals
        exits = None if signals.exits is None else signals.exits[self.start :]
        lines = {label: values[self.start :] for label, values in signals.plot.items()}
        return Signals(signals.entries[self.start :], exits, signals.hold, lines)


_FIRST_LOAD = 256
"""Bars that are loaded at least, so that one load usually suffices."""


class EarlierCandles:
    """The candles before the range of a backtest, loaded by whole days as far back as needed."""

    def __init__(self, candles: CandleSource, spec: BacktestSpec, symbol: str) -> None:
        self._source, self._spec, self._symbol = candles, spec, symbol
        first = candles.first_open(symbol, spec.candle_length)
        # One day more covers every time zone.
        self._days_stored = 0 if first is None else max(0, (spec.start_date - first.date()).days + 1)
        self._days_loaded = 0
        self._bars = Bars(*OHLCV.empty())

    def last(self, count: int) -> Bars:
        """Return the last `count` bars before the range, or all that are stored if these are fewer.

        Raises:
            InvalidCandles: Stored candles break a market's rules.
            InvalidCandleFile: A file of candles cannot be read.
        """
        days = -(-max(count, _FIRST_LOAD) * self._spec.candle_length.ns // DAY_NS) + 1
        while len(self._bars) < count and self._days_loaded < self._days_stored:
            self._load(min(max(days, 2 * self._days_loaded), self._days_stored))  # gaps need more days
        return self._bars.window(max(0, len(self._bars) - count), len(self._bars))

    def before(self, bars: Bars, count: int) -> WarmBars:
        """Return bars of the range with up to `count` bars before them."""
        earlier = self.last(count)
        if not len(earlier):
            return WarmBars(bars, 0)
        columns = (np.concatenate([getattr(earlier, field.name), getattr(bars, field.name)]) for field in fields(Bars))
        return WarmBars(Bars(*columns), len(earlier))

    def digest(self, count: int) -> str | None:
        """Return the digest of up to `count` bars, or None if there are none."""
        bars = self.last(count)
        return candles_digest(bars) if len(bars) else None

    def _load(self, days: int) -> None:
        spec = self._spec
        first, last = spec.start_date - timedelta(days=days), spec.start_date - timedelta(days=1)
        self._bars = self._source.load(self._symbol, spec.candle_length, first, last, spec.timezone).bars
        self._days_loaded = days
