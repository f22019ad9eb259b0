"""What an account would have earned: one market's candles and decisions, replayed with given prices and costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import NamedTuple

from coin_pipeline.forward.account import (
    END,
    AccountRules,
    AccountState,
    OtherOrder,
    PaperFill,
    adopt,
    cash_flow,
    close_at,
    step,
)
from coin_pipeline.forward.records import Candle, Choice
from coin_pipeline.ledger.accounting import Leg
from coin_pipeline.ledger.amounts import EXACT, MAX_DECIMALS, ZERO

Moment = tuple[int, str]
"""Open of the candle of an order, ns UTC, and its action: a candle has at most one of each."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What one run of the model takes.

    Attributes:
        candles: Candles by their opens, ns UTC; at least one.
        choices: Decisions at their closes.
        decimals: Decimals that quantities are rounded down to.
        prices: Orders by moment whose price replaces that of the model.
        rates: Orders by moment whose fee and slippage rates replace those of the rules.
        others: Orders that the test did not place, by the open of the candle before which they were booked; after the
            last candle, by `END`.
    """

    candles: Mapping[int, Candle]
    choices: Mapping[int, Choice]
    decimals: int = MAX_DECIMALS
    prices: Mapping[Moment, Leg] = field(default_factory=dict)
    rates: Mapping[Moment, Leg] = field(default_factory=dict)
    others: Mapping[int, Sequence[OtherOrder]] = field(default_factory=dict)


class ModelRun(NamedTuple):
    """What the model did.

    Attributes:
        fills: Executions of the test by moment.
        profit: Cash after a sale of open units at the last close, less the initial cash.
    """

    fills: Mapping[Moment, PaperFill]
    profit: Decimal


def run_model(rules: AccountRules, given: ModelInput) -> ModelRun:
    """Replay an account.

    A price or a rate that replaces that of the model changes the cash of the account, and so the size of later orders.

    Args:
        rules: Costs, stops and sizing of the account.
        given: Candles, decisions, and how orders were booked.
    """
    state = rules.start
    fills: dict[Moment, PaperFill] = {}
    for time in sorted(given.candles):
        for order in given.others.get(time, ()):
            state = adopt(state, time, order)
        state, made = _step(rules, state, time, given)
        fills |= {(time, fill.action): fill for fill in made}
    last = max(given.candles)
    for order in given.others.get(END, ()):
        state = adopt(state, last, order)
    valued = close_at(rules, state, last, given.candles[last][3])[1]
    legs = [fill.leg for fill in (*fills.values(), *valued)] + [
        order.leg for own in given.others.values() for order in own
    ]
    with localcontext(EXACT):
        return ModelRun(fills, sum(map(cash_flow, legs), ZERO))


def _step(
    rules: AccountRules, state: AccountState, time: int, given: ModelInput
) -> tuple[AccountState, list[PaperFill]]:
    """Move an account over a candle, with orders at the prices and rates with which they were booked."""
    candle = given.candles[time]
    for moment in [(time, action) for action in ("enter", "exit") if (time, action) in given.rates]:
        booked = given.rates[moment]
        costs = replace(rules.costs, fee_rate=float(booked.fee_rate), slippage_rate=float(booked.slippage_rate))
        rules = rules._replace(costs=costs)
    if entry := given.prices.get((time, "enter")):
        candle = (float(entry.price), *candle[1:])
    state, made = step(rules, state, time, candle, given.choices[time], given.decimals)
    fills = []
    for fill in made:
        if fill.action == "exit" and (sold := given.prices.get((time, "exit"))):
            leg = fill.leg._replace(price=sold.price)
            with localcontext(EXACT):
                state = replace(state, cash=state.cash + cash_flow(leg) - cash_flow(fill.leg))
            fill = fill._replace(leg=leg)  # noqa: PLW2901
        fills.append(fill)
    return state, fills
