"""The difference of one market's profit between a forward test and its backtest, split into causes by substitution.

The model starts with what the backtest has: today's candles and decisions, and quantities without rounding. In the
order of `Cause` it is then given what the forward test had. The change of the profit is the amount of the cause, so the
amounts add up to the difference between the first and the last profit of the model. What they leave of the difference
between the ledger and the backtest is the residual.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from coin_pipeline.forward.account import QUANTITY_DECIMALS, AccountRules, OtherOrder
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.forward.drift.decisions import Comparison, Decided
from coin_pipeline.forward.drift.model import ModelInput, Moment, run_model
from coin_pipeline.forward.records import Decision
from coin_pipeline.ledger.accounting import Leg
from coin_pipeline.ledger.amounts import EXACT

Times = tuple[int, ...]
"""Opens of candles, ns UTC."""


class Amount(NamedTuple):
    """What one cause is worth.

    Attributes:
        cause: The cause.
        amount: Change of the profit, in the quote currency; negative if the forward test lost by it.
        times: Opens of the candles concerned, ns UTC.
    """

    cause: Cause
    amount: Decimal
    times: Times


class BookedOrders(NamedTuple):
    """The orders in the book of a forward test in one market.

    Attributes:
        own: Orders that the test placed, by moment.
        others: Orders that it did not place, by the open of the candle before which they were booked, or `END`.
    """

    own: Mapping[Moment, Leg]
    others: Mapping[int, Sequence[OtherOrder]]


def attribute(
    rules: AccountRules, recorded: Sequence[Decision], today: Decided, compared: Comparison, booked: BookedOrders
) -> list[Amount]:
    """Return the amount of each cause, in the order of substitution.

    Args:
        rules: Costs, stops and sizing of the account.
        recorded: Decisions of the forward test in order, at least one.
        today: The candles of the period as they are stored now, and the decisions on them.
        compared: The comparison of the two.
        booked: The orders in the ledger.
    """
    evidence = _Evidence(recorded, compared, booked, _changed_terms(rules, recorded, booked))
    given = ModelInput(today.candles(), today.choices())
    before = run_model(rules, given).profit
    amounts = []
    for cause in Cause:
        substituted, times = evidence.substitute(cause, given)
        after = before if substituted == given else run_model(rules, substituted).profit
        amounts.append(Amount(cause, EXACT.subtract(after, before), times))
        given, before = substituted, after
    return amounts


class _Terms(NamedTuple):
    """Orders that were booked at another price, and those booked with other rates, than the model has for them."""

    prices: Mapping[Moment, Leg]
    rates: Mapping[Moment, Leg]


def _changed_terms(rules: AccountRules, recorded: Sequence[Decision], booked: BookedOrders) -> _Terms:
    """Compare booked orders with those of the model on all that was recorded."""
    candles = {decision.bar_time: decision.candle for decision in recorded}
    choices = {decision.bar_time: decision.choice for decision in recorded}
    as_recorded = ModelInput(candles, choices, QUANTITY_DECIMALS, others=booked.others)
    modelled = run_model(rules, as_recorded).fills
    pairs = {moment: (leg, modelled[moment].leg) for moment, leg in booked.own.items() if moment in modelled}
    return _Terms(
        {moment: leg for moment, (leg, own) in pairs.items() if leg.price != own.price},
        {moment: leg for moment, (leg, own) in pairs.items() if leg[-2:] != own[-2:]},
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the forward test had, by cause."""

    recorded: Sequence[Decision]
    compared: Comparison
    booked: BookedOrders
    terms: _Terms

    def substitute(self, cause: Cause, given: ModelInput) -> tuple[ModelInput, Times]:
        """Return the input with what the forward test had in regard of a cause, and the candles concerned."""
        steps: dict[Cause, Callable[[ModelInput], tuple[ModelInput, Times]]] = {
            Cause.PARAMS_CHANGED: partial(self._decisions, Cause.PARAMS_CHANGED),
            Cause.CODE_CHANGED: partial(self._decisions, Cause.CODE_CHANGED),
            Cause.CANDLE_REVISED: self._revised,
            Cause.CANDLE_MISSING: self._missing,
            Cause.GAP: lambda given: (given, self.compared.gaps),
            Cause.LATE_DECISION: lambda given: (given, tuple(d.bar_time for d in self.recorded if d.late)),
            Cause.PRICE: lambda given: (replace(given, prices=self.terms.prices), _times(self.terms.prices)),
            Cause.FEE: lambda given: (replace(given, rates=self.terms.rates), _times(self.terms.rates)),
            Cause.ROUNDING: self._rounding,
            Cause.OTHER_BOOKING: self._others,
        }
        return steps[cause](given)

    def _decisions(self, cause: Cause, given: ModelInput) -> tuple[ModelInput, Times]:
        own = {d.recorded.bar_time: d.recorded.choice for d in self.compared.differences if d.cause is cause}
        return replace(given, choices={**given.choices, **own}), tuple(own)

    def _revised(self, given: ModelInput) -> tuple[ModelInput, Times]:
        given, differing = self._decisions(Cause.CANDLE_REVISED, given)
        seen = {d.bar_time: d for d in self.recorded if d.bar_time in self.compared.revised}
        candles = {time: decision.candle for time, decision in seen.items()}
        removed = {time: decision.choice for time, decision in seen.items() if time not in given.choices}
        given = replace(given, candles={**given.candles, **candles}, choices={**given.choices, **removed})
        return given, tuple(seen) or differing  # without any, a candle before the test was revised

    def _missing(self, given: ModelInput) -> tuple[ModelInput, Times]:
        given, _ = self._decisions(Cause.CANDLE_MISSING, given)
        missing = set(self.compared.missing)
        kept = {time: candle for time, candle in given.candles.items() if time not in missing}
        return replace(given, candles=kept), self.compared.missing

    def _rounding(self, given: ModelInput) -> tuple[ModelInput, Times]:
        entries = [moment for moment in self.booked.own if moment[1] == "enter"]
        return replace(given, decimals=QUANTITY_DECIMALS), _times(entries)

    def _others(self, given: ModelInput) -> tuple[ModelInput, Times]:
        others = self.booked.others
        last = self.recorded[-1].bar_time
        times = tuple(min(time, last) for time, orders in others.items() for _ in orders)
        return replace(given, others=others), times


def _times(moments: Mapping[Moment, Leg] | Sequence[Moment]) -> Times:
    return tuple(time for time, _ in moments)
