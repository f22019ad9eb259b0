"""A market whose forward test and backtest differ by planted faults, without storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Stops
from coin_pipeline.engine.signals import Signals
from coin_pipeline.forward.account import AccountRules, OtherOrder
from coin_pipeline.forward.drift.attribution import Amount, BookedOrders, attribute
from coin_pipeline.forward.drift.decisions import Comparison, Decided, bars_of, compare_decisions
from coin_pipeline.forward.drift.model import ModelInput, Moment, run_model
from coin_pipeline.forward.records import Candle, Choice, Decision
from coin_pipeline.ledger.accounting import Leg

RULES = AccountRules(Costs(0.001, 0.0002), Stops(), Sizing())
TODAY = ("params", "code")
"""Digests of the params and the code of today."""
HOUR = 3600 * 10**9


@dataclass
class Case:
    """A market: what is stored and decided today, and what the forward test had instead.

    Attributes:
        candles: Stored candles by open.
        choices: Decisions of today by open.
        recorded: Decisions of the forward test by open.
        prices: Prices at which orders of the test were booked instead of those due.
        rates: Fee rates with which they were booked instead of those of the test.
        others: Other orders in its book, by the open of the candle before which they were booked.
    """

    candles: dict[int, Candle]
    choices: dict[int, Choice]
    recorded: dict[int, Decision] = field(default_factory=dict)
    prices: dict[Moment, Decimal] = field(default_factory=dict)
    rates: dict[Moment, Decimal] = field(default_factory=dict)
    others: dict[int, Sequence[OtherOrder]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recorded = {time: decision(time, self.candles[time], self.choices[time]) for time in self.candles}

    def record(self, time: int, **fields: Any) -> None:  # noqa: ANN401 - fields of a decision
        """Change what was recorded."""
        self.recorded[time] = replace(self.recorded[time], **fields)

    def drop(self, time: int) -> None:
        """Record no decision on a candle, as if it was not stored then."""
        del self.recorded[time]
        following = min((other for other in self.recorded if other > time), default=None)
        if following is not None:
            self.record(following, missing=self.recorded[following].missing + 1)

    def booked(self) -> BookedOrders:
        """Return the orders in the ledger."""
        due = self.due()
        prices = {moment: due[moment]._replace(price=price) for moment, price in self.prices.items()}
        rates = {moment: due[moment]._replace(fee_rate=rate) for moment, rate in self.rates.items()}
        return BookedOrders(self.due(prices=prices, rates=rates), self.others)

    def due(self, **terms: Mapping[Moment, Leg]) -> Mapping[Moment, Leg]:
        """Return the orders of the test as they were due, or at other prices or rates."""
        candles = {time: decided.candle for time, decided in self.recorded.items()}
        choices = {time: decided.choice for time, decided in self.recorded.items()}
        made = run_model(RULES, ModelInput(candles, choices, 8, others=self.others, **terms)).fills
        return {moment: fill.leg for moment, fill in made.items()}

    @property
    def today(self) -> Decided:
        """The stored candles and the decisions of today."""
        times = sorted(self.candles)
        columns = [np.array([getattr(self.choices[time], name) for time in times]) for name in ("entry", "exit")]
        return Decided(bars_of(self.candles), Signals(*columns))

    def compare(self) -> Comparison:
        """Compare the decisions; the strategy of today decides by the open time of the candle alone."""
        return compare_decisions([*self.recorded.values()], self.today, TODAY, HOUR, self)

    def amounts(self) -> dict[str, Amount]:
        """Return the causes by name."""
        made = attribute(RULES, [*self.recorded.values()], self.today, self.compare(), self.booked())
        return {amount.cause: amount for amount in made}

    def profit(self) -> Decimal:
        """Return the profit in the ledger, counted by hand: cash paid and received, and the units left, less costs."""
        booked = self.booked()
        legs = [*booked.own.values(), *(order.leg for own in self.others.values() for order in own)]
        units = sum(leg.side.sign * leg.quantity for leg in legs)
        close = Decimal(repr([*self.recorded.values()][-1].candle[3]))
        legs += [RULES.leg(legs[0].side.opposite, units, 1.0)._replace(price=close)] if units else []
        return sum((-leg.side.sign * leg.quantity * leg.effective_price - leg.fee for leg in legs), Decimal(0))

    def backtest(self) -> Decimal:
        """Return the profit of the model on what is stored and decided today."""
        return run_model(RULES, ModelInput(self.candles, self.choices)).profit

    def decide(self, bars: Bars) -> Signals:
        """Return the decisions of today on any candles."""
        chosen = [self.choices.get(time, Choice(entry=False)) for time in bars.time.tolist()]
        return Signals(np.array([c.entry for c in chosen]), np.array([c.exit for c in chosen]))

    def history_digest(self, decision: Decision) -> str:
        """Return the recorded digest: no candle before the test was revised."""
        return decision.history_sha256


def decision(time: int, candle: Candle, choice: Choice) -> Decision:
    """Return a decision made in time with the params and the code of today."""
    return Decision(
        symbol="AAA_KRW",
        bar_time=time,
        candle=candle,
        choice=choice,
        decided_at=datetime.fromtimestamp(time / 1e9 + 3600, UTC),
        late=False,
        missing=0,
        params_sha256=TODAY[0],
        code_sha256=TODAY[1],
        history_start=0,
        history_sha256="",
    )


def round_trips(prices: Sequence[float], choices: str) -> Case:
    """Return hourly candles that open at the prices, with a decision each: `e` enters, `x` exits.

    Each candle closes at the open of the next one.
    """
    closes = [*prices[1:], prices[-1]]
    times = [number * HOUR for number in range(len(prices))]
    candles = {
        time: (float(opened), float(max(opened, close)), float(min(opened, close)), float(close), 1.0)
        for time, opened, close in zip(times, prices, closes, strict=True)
    }
    return Case(
        candles, {time: Choice(letter == "e", letter == "x") for time, letter in zip(times, choices, strict=True)}
    )
