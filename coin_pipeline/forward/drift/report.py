"""The drift report: a forward test against the backtest of the same candles, per market and quote currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from coin_pipeline.backtest.messages import Message
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.forward.drift.attribution import Amount
from coin_pipeline.forward.drift.decisions import Comparison
from coin_pipeline.forward.drift.edge import Edge
from coin_pipeline.forward.drift.late import LateFill
from coin_pipeline.forward.records import Decision, ForwardTest

MAX_RESIDUAL_KRW = 1.0
"""Largest unexplained difference in KRW."""
MAX_RESIDUAL = 1e-7
"""Largest unexplained difference in any other currency, as a fraction of the initial cash."""


@dataclass(frozen=True, slots=True, eq=False)
class MarketDrift:
    """One market of a forward test against its backtest; amounts are in its quote currency.

    Attributes:
        symbol: The market.
        initial_cash: Cash of its account at the start.
        decisions: Decisions of the forward test in order.
        compared: The decisions that differ from those of today.
        forward_profit: Profit in the ledger, with open units sold at the last close.
        backtest_profit: Profit of the backtest, with open units sold at the last close.
        amounts: What each cause is worth.
        late_fills: Orders that late decisions led to.
        time: Closes of the decided candles, ns UTC, shape (n,).
        forward_curve: Profit in the ledger at these closes, shape (n,).
        backtest_curve: Profit of the backtest at these closes, shape (n,).
    """

    symbol: str
    initial_cash: float
    decisions: Sequence[Decision]
    compared: Comparison
    forward_profit: Decimal
    backtest_profit: float
    amounts: Sequence[Amount]
    late_fills: Sequence[LateFill]
    time: Ints
    forward_curve: Floats
    backtest_curve: Floats

    @property
    def quote(self) -> str:
        """Currency of its amounts."""
        return quote_of(self.symbol)

    @property
    def difference(self) -> float:
        """Profit of the forward test less that of the backtest."""
        return float(self.forward_profit) - self.backtest_profit

    @property
    def residual(self) -> float:
        """Difference that no cause explains."""
        return self.difference - sum(float(amount.amount) for amount in self.amounts)


@dataclass(frozen=True, slots=True, eq=False)
class DriftReport:
    """A forward test against its backtest.

    Attributes:
        test: The forward test.
        markets: Its markets that have decisions.
        edge: Its mean return per trade against that before its start.
    """

    test: ForwardTest
    markets: Sequence[MarketDrift]
    edge: Edge

    def by_quote(self) -> dict[str, list[MarketDrift]]:
        """Return the markets by quote currency; amounts in different currencies are never added."""
        found: dict[str, list[MarketDrift]] = {}
        for market in self.markets:
            found.setdefault(market.quote, []).append(market)
        return found

    @property
    def unexplained(self) -> list[Message]:
        """Sentences about what no cause explains; none if all is explained."""
        problems = []
        for quote, markets in self.by_quote().items():
            residual, bound = sum(market.residual for market in markets), residual_bound(markets)
            if abs(residual) > bound:
                values = {"residual": residual, "quote": quote, "bound": bound}
                problems.append(Message("drift_unexplained", values))
        nameless = [d for market in self.markets for d in market.compared.differences if d.cause is None]
        if nameless:
            first = nameless[0].recorded
            problems.append(Message("drift_without_cause", {"decisions": len(nameless), "symbol": first.symbol}))
        return problems


def residual_bound(markets: Sequence[MarketDrift]) -> float:
    """Return the largest residual of markets with one quote currency."""
    if markets[0].quote == "KRW":
        return MAX_RESIDUAL_KRW
    return MAX_RESIDUAL * sum(market.initial_cash for market in markets)
