"""The decision on the newest candle, by the code that decides in a backtest: warm-up, strategy, look-ahead check."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.warm_up import MAX_DOUBLED, PROBE_BARS, WarmUp, choose_warm_up
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import day_of, utc
from coin_pipeline.engine.bars import Bars
from coin_pipeline.forward.period import PeriodCandles
from coin_pipeline.forward.records import Choice
from coin_pipeline.forward.spec import ForwardSpec
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.isolation import isolated_calls
from coin_pipeline.strategies.loader import declared_warm_up

MAX_HISTORY = 8 * MAX_DOUBLED
"""Candles up to the decided one that a strategy sees whose warm-up has settled: its decisions depend on no earlier one.

Three months of 1m candles, so that a candle of an old test costs no more. Any other strategy sees all candles.
"""


@dataclass(frozen=True, slots=True)
class SymbolStrategy:
    """A strategy bound to its parameters and to one market of a forward test.

    Attributes:
        candles: The stored candles.
        spec: The forward test.
        begin: Earliest open of its candles, ns UTC.
        symbol: The market.
        strategy: The strategy.
        params: Its validated parameters.
    """

    candles: CandleSource
    spec: ForwardSpec
    begin: int
    symbol: str
    strategy: Strategy[Any]
    params: StrategyParams

    def decide(self, bars: Bars) -> Choice:
        """Run the strategy and return its decision on the last bar.

        Raises:
            StrategyFailed: The strategy raised an exception, returned no signals, or changed its candles.
        """
        with isolated_calls(self.strategy, self.params, bars, self.symbol) as signals_of:
            signals = signals_of(bars)
        is_exit = signals.exits is not None and bool(signals.exits[-1])
        return Choice(bool(signals.entries[-1]), is_exit, signals.hold)

    def check(self, bars: Bars) -> None:
        """Run the look-ahead check of a backtest.

        A forward test cannot look ahead, but its backtest can: their decisions would differ.

        Raises:
            LookAhead: The strategy uses later bars.
            NotDeterministic: The strategy decides differently on the same candles.
            StrategyFailed: The strategy raised an exception, returned no signals, or changed its candles.
        """
        checked_signals(self.strategy, self.params, bars, self.symbol)

    def choose_warm_up(self) -> WarmUp | None:
        """Return the warm-up of the test, None if it has none.

        The range of the test is still short, so the candles before it take its place: the last `PROBE_BARS` of them, or
        half of what is stored, are the range whose decisions must settle.

        Raises:
            StrategyFailed: The strategy raised an exception or returned no signals.
            InvalidCandles: Earlier candles break a market's rules.
        """
        if self.spec.warm_up == "none":
            return None
        earlier = self.before(self.begin)
        declared = declared_warm_up(self.strategy, self.params, self.symbol)
        stored = earlier.last(MAX_DOUBLED + PROBE_BARS)
        probe = stored.window(len(stored) - min(PROBE_BARS, len(stored) // 2), len(stored))
        used, settled = MAX_DOUBLED, None
        if len(probe):
            with isolated_calls(self.strategy, self.params, stored, self.symbol) as signals_of:
                before = self.before(int(probe.time[0]))
                chosen = choose_warm_up(before, probe, declared, lambda bars: [signals_of(bars)])
            used, settled = chosen.used if chosen.settled else MAX_DOUBLED, chosen.settled
        used = max(declared, used)
        return WarmUp(
            declared=declared,
            used=len(earlier.last(used)),
            settled=settled,
            requested=used,
            sha256=earlier.digest(used),
        )

    def history(self, warm_up: WarmUp | None, first: int, now: int) -> Bars:
        """Return the closed candles that the strategy needs to decide those that open at or after `first`.

        Args:
            warm_up: The warm-up of the test.
            first: Earliest open of a candle to decide, ns UTC.
            now: Candles that close later do not exist yet, ns UTC.

        Raises:
            InvalidCandles: Stored candles break a market's rules.
            InvalidCandleFile: A file of candles cannot be read.
        """
        length = self.spec.candle_length
        if now - length.ns < self.begin:
            return Bars(*OHLCV.empty())
        begin = max(self.begin, first - self._memory(warm_up))
        period = PeriodCandles(self.candles, begin, now - length.ns)
        bars = period.load(self.symbol, length, *period.days(self.spec.timezone), self.spec.timezone).bars
        if begin > self.begin or warm_up is None:
            return bars
        return self.before(self.begin).before(bars, warm_up.used).bars

    def visible(self, warm_up: WarmUp | None, bars: Bars, row: int) -> Bars:
        """Return the bars that the strategy sees when it decides one of them.

        Args:
            warm_up: The warm-up of the test.
            bars: What `history` returned.
            row: The bar to decide.
        """
        oldest = int(bars.time[row]) - self._memory(warm_up)
        return bars.window(int(np.searchsorted(bars.time, oldest)), row + 1)

    def before(self, first: int) -> EarlierCandles:
        """Return the candles before an instant, ns UTC."""
        day = day_of(utc(first), self.spec.timezone)
        spec = self.spec.backtest_spec(day, day)
        return EarlierCandles(PeriodCandles(self.candles, first, first), spec, self.symbol)

    def _memory(self, warm_up: WarmUp | None) -> int:
        """Return how far back a decision may depend on candles, ns."""
        settled = warm_up is not None and warm_up.settled
        return MAX_HISTORY * self.spec.candle_length.ns if settled else 2**62
