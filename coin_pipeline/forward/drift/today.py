"""What the backtest of a forward test's period does today: with the candles, the code and the params of today."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.fingerprint import candles_digest, code_digest, digest_of
from coin_pipeline.backtest.runner import run_backtest
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.warm_up import WarmUp, warm_bars
from coin_pipeline.candles.timeframe import DAY_NS
from coin_pipeline.engine.bars import Bars, Floats
from coin_pipeline.engine.signals import Signals
from coin_pipeline.forward.drift.decisions import Decided, candles_of
from coin_pipeline.forward.period import PeriodCandles
from coin_pipeline.forward.records import Candle, Decision, ForwardTest
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.registry import StrategyRegistry

AFTERWARDS = 7 * DAY_NS
"""Time after the last decision, ns, in which the first open after a late one is looked for."""


@dataclass(frozen=True)
class MarketToday:
    """One market of a forward test today.

    Attributes:
        test: The forward test.
        symbol: The market.
        last: Open of the last decided candle, ns UTC.
        warm_up: Warm-up with which the test decides; None if it has none.
        source: The stored candles.
        registry: The strategies of today.
    """

    test: ForwardTest
    symbol: str
    last: int
    warm_up: WarmUp | None
    source: CandleSource
    registry: StrategyRegistry

    @cached_property
    def period(self) -> PeriodCandles:
        """The stored candles of the test's period."""
        return PeriodCandles(self.source, self.test.begin, self.last)

    @cached_property
    def spec(self) -> BacktestSpec:
        """The backtest of the period."""
        days = self.period.days(self.test.spec.timezone)
        return self.test.spec.backtest_spec(*days).model_copy(update={"symbols": (self.symbol,)})

    @cached_property
    def strategy(self) -> Strategy[Any]:
        """The strategy of today."""
        return self.registry.get(self.spec.strategy)

    @cached_property
    def params(self) -> StrategyParams:
        """Its parameters as they are resolved today."""
        return self.registry.resolve(self.spec.strategy, self.spec.params)

    @cached_property
    def digests(self) -> tuple[str, str]:
        """Digests of the params and the code of today."""
        return digest_of(self.params.model_dump(mode="json")), code_digest(self.strategy)

    @cached_property
    def chosen_warm_up(self) -> WarmUp | None:
        """The warm-up of the test, of the length that it has, with the candles that are stored now."""
        if self.warm_up is None:
            return None
        earlier = EarlierCandles(self.period, self.spec, self.symbol)
        return self.warm_up.model_copy(update={"sha256": earlier.digest(self.warm_up.requested)})

    def decided(self) -> Decided:
        """Return the candles of the period and the decisions of today on them.

        Raises:
            StrategyFailed, LookAhead, NotDeterministic: The strategy does not work on the stored candles.
            InvalidCandles, InvalidCandleFile: Stored candles cannot be used.
        """
        days = self.period.days(self.spec.timezone)
        bars = self.period.load(self.symbol, self.spec.candle_length, *days, self.spec.timezone).bars
        return Decided(bars, self.decide(bars))

    def decide(self, bars: Bars) -> Signals:
        """Return the decisions of today on candles of the period, which the strategy reads after their warm-up."""
        arguments = (self.strategy, self.params)
        _, warm = warm_bars(self.period, self.spec, self.symbol, bars, *arguments, self.chosen_warm_up)
        return warm.of_range(checked_signals(*arguments, warm.bars, self.symbol)[0])

    def history_digest(self, decision: Decision) -> str:
        """Return the digest of the candles stored now in the time from which those of a decision were."""
        seen = PeriodCandles(self.source, decision.history_start, decision.bar_time)
        zone = self.spec.timezone
        return candles_digest(seen.load(self.symbol, self.spec.candle_length, *seen.days(zone), zone).bars)

    def candles_since_begin(self) -> dict[int, Candle]:
        """Return the stored candles of the period and of `AFTERWARDS` after it, by open, ns UTC."""
        known = PeriodCandles(self.source, self.test.begin, self.last + AFTERWARDS)
        days = known.days(self.spec.timezone)
        return candles_of(known.load(self.symbol, self.spec.candle_length, *days, self.spec.timezone).bars)

    def backtest_equity(self) -> Floats:
        """Return the equity of the backtest at each close, in multiples of the initial cash, shape (n,).

        Raises:
            CandlesNotFound: No candle of the period is stored any more.
            CandlesChanged, CodeChanged: Candles or code changed meanwhile.
        """
        warm_ups = {self.symbol: self.chosen_warm_up} if self.chosen_warm_up else None
        result = run_backtest(self.spec, self.period, self.registry, warm_ups=warm_ups)
        equity: Floats = result.tables["equity"]["equity"].to_numpy()
        return equity
