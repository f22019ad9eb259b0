"""What the comparisons with other backtesters share: signals, and what agreement is."""

from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.execution import Costs, Stops
from coin_pipeline.engine.outcomes import ExitReason
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation
from tests.engine.candles import random_bars

PLANS = ["hold", "exits", "hold and exits"]
STOPS = {
    "loss": Stops(stop_loss=0.02),
    "profit": Stops(take_profit=0.02),
    "trail": Stops(trailing_stop=0.02),
    "all": Stops(0.02, 0.03, 0.025),
}


class Peer(NamedTuple):
    """What another backtester made of the same decisions; money is told per unit, costs included.

    Attributes:
        entry_bar: Bar of each trade's entry.
        exit_bar: Bar of its exit; the last bar for one that was sold at the last close.
        paid: Money paid for one unit.
        received: Money received for one unit.
        equity: Account at the close of each bar, from 1.0; the last value after the sale at the last close.
    """

    entry_bar: list[int]
    exit_bar: list[int]
    paid: Floats
    received: Floats
    equity: Floats


def stopped_bars(seed: int, *, gaps: bool) -> Bars:
    """Make 3,000 random bars, wide enough that stops are hit; without gaps each opens at the close before."""
    bars = random_bars(3_000, seed)
    if gaps:
        return bars
    opens = np.append(bars.open[:1], bars.close[:-1])
    return Bars(bars.time, opens, np.maximum(bars.high, opens), np.minimum(bars.low, opens), bars.close, bars.volume)


def spaced_signals(n: int, seed: int, plan: str, hold: int = 30) -> Signals:
    """Draw decisions; entries that have a hold are further apart than that."""
    random = np.random.default_rng(seed)
    entries = random.random(n) < 0.1
    exits = random.random(n) < 0.02 if "exits" in plan else np.zeros(n, bool)
    if "hold" not in plan:
        return Signals(entries & ~exits, exits)
    last = -hold - 1
    for bar in np.flatnonzero(entries).tolist():
        entries[bar] = bar - last > hold
        last = bar if entries[bar] else last
    return Signals(entries & ~exits, exits if exits.any() else None, hold)


def jumped_target(simulation: Simulation, bars: Bars, stops: Stops, *, stop_first: bool) -> Bools:
    """Mark the trades whose exit bar opened above the target, where this engine deliberately takes the worse price.

    Both peers sell at such an open, as a resting limit order may; here it is never more than the target. Where the bar
    falls to the stop as well, one peer asks for the stop first, as this engine does, and one for the open.
    """
    trades = simulation.trades
    if stops.take_profit is None:
        return np.zeros(len(trades), np.bool_)
    reasons = [ExitReason.TAKE_PROFIT] + [ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP] * (not stop_first)
    above = bars.open[trades.exit_bar] > trades.entry_price * (1 + stops.take_profit)
    jumped: Bools = above & np.isin(trades.exit_reason, reasons)
    return jumped


def assert_agrees(simulation: Simulation, peer: Peer, bars: Bars, costs: Costs, jumped: Bools) -> None:
    """Compare bars exactly, money to rounding, and the equity up to the first jump over a target."""
    trades = simulation.trades
    assert trades.entry_bar.tolist() == peer.entry_bar
    assert trades.exit_bar.tolist() == peer.exit_bar
    exit_price = np.where(jumped, bars.open[trades.exit_bar], trades.exit_price)
    np.testing.assert_allclose(costs.paid(trades.entry_price), peer.paid, rtol=1e-9)
    np.testing.assert_allclose(costs.received(exit_price), peer.received, rtol=1e-9)
    assert np.all(exit_price >= trades.exit_price)
    same = trades.exit_bar[jumped][0] if jumped.any() else len(bars)
    np.testing.assert_allclose(simulation.equity[:same], peer.equity[:same], rtol=1e-9)
    assert simulation.equity[-1] <= peer.equity[-1] * (1 + 1e-9)
