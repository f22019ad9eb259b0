"""The account of one symbol of a forward test: a pure state machine over candles and decisions.

On the same candles and decisions it trades what the account of a backtest trades: the same bars, prices and reasons.
Exits come from the engine itself, `compute_outcomes`. Money is exact, and quantities are rounded down to
`QUANTITY_DECIMALS`, the only difference from a backtest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final, Literal, NamedTuple

import numpy as np

from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason, compute_outcomes
from coin_pipeline.forward.records import Candle, Choice
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.amounts import EXACT, MIN_VALUE

QUANTITY_DECIMALS = 8
"""Decimals of a quantity, as on Upbit."""
_DOWN = Context(prec=100, rounding=ROUND_DOWN)
_NEAREST = Context(prec=100, rounding=ROUND_HALF_EVEN)
_DECIDED, _HISTORY = 0, 1
END: Final = 2**63 - 1
"""Stands for the end of a forward test, after every candle."""


class PaperFill(NamedTuple):
    """An execution on paper.

    Attributes:
        bar_time: Open of the candle in which it falls, ns UTC.
        action: Whether it opens or closes the position.
        leg: The executed order.
        reason: `entry`, or why the position was closed: a name of `ExitReason` in lower case.
    """

    bar_time: int
    action: Literal["enter", "exit"]
    leg: Leg
    reason: str


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """An open position.

    Attributes:
        entry_time: Open of the candle of the entry, ns UTC.
        entry_price: Price before costs.
        quantity: Units.
        hold: Candles from the entry to the exit; None without a limit.
        held: Candles since the entry, that of the entry included.
        highest: Highest price since the entry.
        exit_due: Whether the strategy decided to exit at the close of the last candle.
    """

    entry_time: int
    entry_price: float
    quantity: Decimal
    hold: int | None
    held: int
    highest: float
    exit_due: bool = False


class OtherOrder(NamedTuple):
    """An order in the book of a forward test that the test did not place: its journal entry and what was executed."""

    entry_id: int
    leg: Leg


class PendingEntry(NamedTuple):
    """A decision to open a position at the next open, with its holding period in candles."""

    hold: int | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account has after a candle.

    Attributes:
        cash: Cash, in the quote currency.
        trade: The open position, if any.
        pending: The entry that the next open fills, if any.
        adopted: Other orders in its book that it goes by: journal entry, and open of the candle before which, ns UTC,
            or `END`.
    """

    cash: Decimal
    trade: OpenTrade | None = None
    pending: PendingEntry | None = None
    adopted: tuple[tuple[int, int], ...] = ()

    def equity(self, close: float) -> Decimal:
        """Return cash plus the position at a price, without exit costs."""
        held = EXACT.multiply(self.trade.quantity, decimal_price(close)) if self.trade else Decimal(0)
        return EXACT.add(self.cash, held)


class AccountRules(NamedTuple):
    """Costs, stops and sizing of an account, without tick sizes."""

    costs: Costs
    stops: Stops
    sizing: Sizing

    @classmethod
    def of(cls, spec: BacktestSpec, symbol: str) -> "AccountRules":
        """Return the rules by which a backtest trades a symbol."""
        return cls(spec.costs_of(symbol), spec.stops, spec.sizing_of(symbol))

    @property
    def start(self) -> AccountState:
        """The account before the first candle."""
        return AccountState(decimal_of(self.sizing.initial_cash))

    def leg(self, side: Side, quantity: Decimal, price: float) -> Leg:
        """Return an executed order at the costs of the account."""
        rates = decimal_of(self.costs.fee_rate), decimal_of(self.costs.slippage_rate)
        return Leg(side, quantity, decimal_price(price), *rates)


def step(
    rules: AccountRules,
    state: AccountState,
    bar_time: int,
    candle: Candle,
    choice: Choice,
    decimals: int = QUANTITY_DECIMALS,
) -> tuple[AccountState, tuple[PaperFill, ...]]:
    """Move an account over one closed candle: first fill what is due in it, then note the decision at its close.

    A signal is traded if the account is flat at the close of its candle and the order reaches the minimum.

    Args:
        rules: Costs, stops and sizing.
        state: The account before the candle.
        bar_time: Open of the candle, ns UTC.
        candle: Its prices and volume.
        choice: The strategy's decision at its close.
        decimals: Decimals that quantities are rounded down to.

    Returns:
        The account after the candle, and the executions in it, in order.
    """
    fills: list[PaperFill] = []
    if state.pending:
        state, entry = _enter(rules, replace(state, pending=None), state.pending.hold, bar_time, candle[0], decimals)
        fills += [entry] if entry else []
    if state.trade:
        state, left = _exit_if_due(rules, state, state.trade, bar_time, candle)
        fills += [left] if left else []
    return _decide(rules, state, choice), tuple(fills)


def replay(
    rules: AccountRules, candles: Iterable[tuple[int, Candle, Choice]], state: AccountState | None = None
) -> Iterator[tuple[AccountState, tuple[PaperFill, ...]]]:
    """Yield the account and the executions of each candle, given as its open, its prices and the decision on it."""
    state = state or rules.start
    for bar_time, candle, choice in candles:
        state, fills = step(rules, state, bar_time, candle, choice)
        yield state, fills


def close_at(
    rules: AccountRules, state: AccountState, bar_time: int, price: float
) -> tuple[AccountState, tuple[PaperFill, ...]]:
    """Sell an open position at a price, as a backtest does at the last close, and drop a pending entry."""
    state = replace(state, pending=None)
    if not state.trade:
        return state, ()
    state, fill = _sell(rules, state, state.trade, bar_time, price, ExitReason.END)
    return state, (fill,)


def adopt(state: AccountState, bar_time: int, order: OtherOrder) -> AccountState:
    """Return an account after an order in its book that it did not place itself, booked before a candle.

    Units that are bought become part of the open position, or a position without a time limit; units that are sold
    leave it. As only a flat account enters, an entry that is pending is dropped if a position is open then.

    Args:
        state: The account before the candle.
        bar_time: Open of the candle, ns UTC, or `END`.
        order: The order.
    """
    leg, adopted = order.leg, (*state.adopted, (order.entry_id, bar_time))
    with localcontext(EXACT):
        state = replace(state, cash=state.cash + cash_flow(leg), adopted=adopted)
        held = (state.trade.quantity if state.trade else 0) + leg.side.sign * leg.quantity
    if held <= 0:
        return replace(state, trade=None)
    price = float(leg.price)
    trade = state.trade or OpenTrade(bar_time, price, held, None, 0, price)
    return replace(state, trade=replace(trade, quantity=held), pending=None)


def cash_flow(leg: Leg) -> Decimal:
    """Return the cash that an executed order brings; negative for what it costs."""
    with localcontext(EXACT):
        return -leg.side.sign * leg.quantity * leg.effective_price - leg.fee


def decimal_of(value: float) -> Decimal:
    """Return the decimal that a float stands for: the shortest one that is nearest to it."""
    return Decimal(repr(float(value)))


def decimal_price(price: float) -> Decimal:
    """Return a price as a decimal, rounded to `amounts.MAX_DECIMALS` if it has more."""
    exact = decimal_of(price)
    return min(exact, _NEAREST.quantize(exact, MIN_VALUE), key=lambda value: -int(value.as_tuple().exponent))


def _enter(
    rules: AccountRules, state: AccountState, hold: int | None, bar_time: int, opened: float, decimals: int
) -> tuple[AccountState, PaperFill | None]:
    """Buy at the open what the account can pay for, costs included."""
    one = rules.leg(Side.BUY, Decimal(1), opened)
    unit_cost = EXACT.add(one.effective_price, one.fee)
    spend = EXACT.multiply(state.cash, decimal_of(rules.sizing.fraction))
    quantity = _DOWN.quantize(_DOWN.divide(spend, unit_cost), Decimal(1).scaleb(-decimals))
    if not quantity:
        return state, None
    trade = OpenTrade(bar_time, opened, quantity, hold, 0, opened)
    fill = PaperFill(bar_time, "enter", rules.leg(Side.BUY, quantity, opened), "entry")
    return replace(state, cash=EXACT.add(state.cash, cash_flow(fill.leg)), trade=trade), fill


def _exit_if_due(
    rules: AccountRules, state: AccountState, trade: OpenTrade, bar_time: int, candle: Candle
) -> tuple[AccountState, PaperFill | None]:
    price, reason = _outcome(rules, trade, candle)
    if reason is not ExitReason.END:
        return _sell(rules, state, trade, bar_time, price, reason)
    still_open = replace(trade, held=trade.held + 1, highest=max(trade.highest, candle[1]), exit_due=False)
    return replace(state, trade=still_open), None


def _outcome(rules: AccountRules, trade: OpenTrade, candle: Candle) -> tuple[float, ExitReason]:
    """Return price and reason of the exit in a candle; `END` if the position stays open.

    The engine is asked about three bars: that of the decision, one that stands for all candles since the entry, which
    reached no level, and this candle. Of those before, only the highest price matters.
    """
    entry = trade.entry_price
    rows = [(entry, entry, entry, entry, 1.0), candle]
    if trade.held:
        rows.insert(_HISTORY, (entry, trade.highest, entry, entry, 1.0))
    columns = np.array(rows).T
    bars = Bars(np.arange(len(rows)), *(np.ascontiguousarray(column) for column in columns))
    exits = np.zeros(len(rows), np.bool_)
    exits[_HISTORY] = trade.exit_due
    hold = 1 if trade.held and trade.held == trade.hold else None
    rule = ExitRule(hold, exits, rules.stops)
    outcome = compute_outcomes(bars, np.array([_DECIDED]), rule, rules.costs, Fill.NEXT_OPEN)
    return float(outcome.exit_price[0]), ExitReason(outcome.exit_reason[0])


def _sell(
    rules: AccountRules, state: AccountState, trade: OpenTrade, bar_time: int, price: float, reason: ExitReason
) -> tuple[AccountState, PaperFill]:
    leg = rules.leg(Side.SELL, trade.quantity, price)
    fill = PaperFill(bar_time, "exit", leg, reason.name.lower())
    return replace(state, cash=EXACT.add(state.cash, cash_flow(leg)), trade=None), fill


def _decide(rules: AccountRules, state: AccountState, choice: Choice) -> AccountState:
    """Note what the next open fills."""
    if state.trade:
        return replace(state, trade=replace(state.trade, exit_due=choice.exit))
    affordable = float(state.cash) / rules.sizing.initial_cash >= rules.sizing.min_equity
    return replace(state, pending=PendingEntry(choice.hold) if choice.entry and affordable else None)
