"""Reference implementation of the simulation rules in slow, plain Python: bar by bar, with cash and coins."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import pytest

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Stops
from coin_pipeline.engine.outcomes import ExitReason, Samples
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation

TOLERANCE = Fraction(1, 10**12)
"""Relative difference below which numbers are equal; 0 compares the decimals exactly."""


@cache
def exact(number: float) -> Fraction:
    """Return the decimal that a float stands for."""
    return Fraction(repr(float(number)))


def decimal(number: Fraction) -> float:
    """Return the float nearest to a computed price, rounded to 15 significant digits."""
    return float(f"{float(number):.15g}")


class Trade(NamedTuple):
    """One round trip."""

    signal_bar: int
    entry_bar: int
    exit_bar: int
    net_return: float
    open_at_end: bool
    entry_price: float
    exit_price: float
    bars_held: int
    reason: ExitReason


@dataclass
class Position:
    """Coins held, and the data its stop orders need."""

    signal_bar: int
    entry_bar: int
    entry_price: float
    coins: float
    paid: float
    highest: float
    bars_held: int = 0

    def stop_fill(self, opened: float, high: float, low: float, stops: Stops) -> tuple[float, ExitReason] | None:
        """Return the price and reason if a stop order is filled while the bar is traded, from its open on."""
        level, reason = self.stop_level(self.highest, stops)
        if exact(opened) <= level * (1 + TOLERANCE):
            return opened, reason
        target = exact(self.entry_price) * (1 + exact(stops.take_profit)) if stops.take_profit else None
        if target and exact(opened) >= target * (1 - TOLERANCE):
            return decimal(target), ExitReason.TAKE_PROFIT
        level, reason = self.stop_level(max(self.highest, opened), stops)
        if exact(low) <= level * (1 + TOLERANCE):
            return decimal(level), reason
        if target and exact(high) >= target * (1 - TOLERANCE):
            return decimal(target), ExitReason.TAKE_PROFIT
        return None

    def stop_level(self, highest: float, stops: Stops) -> tuple[Fraction, ExitReason]:
        """Return the higher of the stop-loss, which wins a tie, and the trailing level; 0 without either."""
        fixed = exact(self.entry_price) * (1 - exact(stops.stop_loss)) if stops.stop_loss else Fraction(0)
        trailing = exact(highest) * (1 - exact(stops.trailing_stop)) if stops.trailing_stop else Fraction(0)
        if trailing <= fixed * (1 + TOLERANCE):
            return fixed, ExitReason.STOP_LOSS
        return trailing, ExitReason.TRAILING_STOP


@dataclass
class Account:
    """Cash and at most one position, with its trades and its value at every close."""

    costs: Costs
    sizing: Sizing = Sizing()  # noqa: RUF009 - frozen
    cash: float = 1.0
    position: Position | None = None
    trades: list[Trade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    ignored: int = 0
    too_small: int = 0

    def buy(self, signal_bar: int, bar: int, price: float) -> Position:
        """Convert the fraction of the cash into coins."""
        paid = self.cash * self.sizing.fraction
        coins = paid / (price * (1 + self.costs.slippage_rate)) / (1 + self.costs.fee_rate)
        self.cash -= paid
        self.position = Position(signal_bar, bar, price, coins, paid, price)
        return self.position

    def sell(self, bar: int, price: float, reason: ExitReason) -> None:
        """Convert all coins into cash."""
        held, self.position = self.position, None
        assert held is not None
        received = held.coins * price * (1 - self.costs.slippage_rate) * (1 - self.costs.fee_rate)
        self.cash += received
        self.trades.append(
            Trade(
                held.signal_bar,
                held.entry_bar,
                bar,
                received / held.paid - 1,
                reason is ExitReason.END,
                held.entry_price,
                price,
                held.bars_held,
                reason,
            )
        )

    def worth(self, price: float) -> float:
        """Return the value of cash and coins at a price."""
        return self.cash + (self.position.coins * price if self.position else 0.0)


NO_STOPS, ALL_IN = Stops(), Sizing()


def trade_next_open(
    bars: Bars, signals: Signals, costs: Costs, stops: Stops = NO_STOPS, sizing: Sizing = ALL_IN
) -> Account:
    """Trade one position at a time, with decisions at closes and fills at the next open."""
    account = Account(costs, sizing)
    buy = False
    leave: ExitReason | None = None
    last = len(bars) - 1
    least = exact(sizing.min_order) * (1 - TOLERANCE)
    for bar in range(len(bars)):
        opened, high, low, close = (float(c[bar]) for c in (bars.open, bars.high, bars.low, bars.close))
        # Open: fill the decision of the previous close.
        if buy:
            account.buy(bar - 1, bar, opened)
        elif leave is not None:
            account.sell(bar, opened, leave)
        buy, leave = False, None
        # During the bar: stop orders rest at the exchange.
        if account.position:
            account.position.bars_held += 1
            if stop := account.position.stop_fill(opened, high, low, stops):
                account.sell(bar, *stop)
        # Close: the bar is known, and the next decision is made.
        entry = bool(signals.entries[bar]) and bar < last
        if account.position:
            account.position.highest = max(account.position.highest, high)
            account.ignored += entry
            leave = _exit_decision(signals, bar, account.position)
            if bar == last:
                account.sell(bar, close, ExitReason.END)
        elif entry and exact(account.cash * sizing.fraction * sizing.initial_cash) < least:
            account.too_small += 1
        else:
            buy = entry
        account.equity.append(account.worth(close))
    return account


def _exit_decision(signals: Signals, bar: int, position: Position) -> ExitReason | None:
    """Return the reason to close the position, as known at the close of a bar."""
    if position.bars_held == signals.hold:
        return ExitReason.HOLD
    if signals.exits is not None and signals.exits[bar]:
        return ExitReason.SIGNAL
    return None


def outcomes_at_close(bars: Bars, signals: Signals, costs: Costs, stops: Stops = NO_STOPS) -> list[Trade]:
    """Simulate every entry signal from close to close."""
    outcomes = []
    for start in range(len(bars)):
        if signals.entries[start]:
            account = Account(costs)
            _hold_until_exit(account, account.buy(start, start, float(bars.close[start])), bars, signals, stops)
            outcomes += account.trades
    return outcomes


def _hold_until_exit(account: Account, position: Position, bars: Bars, signals: Signals, stops: Stops) -> None:
    """Hold a position bought at the close of its entry bar until it is closed."""
    for bar in range(position.entry_bar + 1, len(bars)):
        opened, high, low, close = (float(c[bar]) for c in (bars.open, bars.high, bars.low, bars.close))
        position.bars_held += 1
        if stop := position.stop_fill(opened, high, low, stops):
            return account.sell(bar, *stop)
        if (leave := _exit_decision(signals, bar, position)) is not None:
            return account.sell(bar, close, leave)
        position.highest = max(position.highest, high)
    return account.sell(len(bars) - 1, float(bars.close[-1]), ExitReason.END)


def drawdowns(equity: list[float]) -> list[float]:
    """Return the drawdown of every value from the running maximum, the initial 1.0 included."""
    return [1 - value / max([1.0, *equity[: bar + 1]]) for bar, value in enumerate(equity)]


def assert_same_trades(samples: Samples, expected: list[Trade]) -> None:
    """Compare bars, raw prices and reasons exactly, and returns up to rounding."""
    names = [name for name in Trade._fields if name not in {"net_return", "reason"}]
    columns = [getattr(samples, name).tolist() for name in names]
    exact = list(zip(*columns, samples.exit_reason.tolist(), strict=True))
    assert exact == [tuple(getattr(trade, name) for name in [*names, "reason"]) for trade in expected]
    assert samples.net_return.tolist() == pytest.approx([t.net_return for t in expected], rel=1e-12, abs=1e-14)


def assert_same_account(simulation: Simulation, account: Account) -> None:
    """Compare trades and counts exactly, and the curves up to rounding."""
    assert_same_trades(simulation.trades, account.trades)
    assert (simulation.ignored, simulation.too_small) == (account.ignored, account.too_small)
    assert simulation.equity.tolist() == pytest.approx(account.equity, rel=1e-11)
    assert simulation.drawdown.tolist() == pytest.approx(drawdowns(account.equity), rel=1e-9, abs=1e-11)
