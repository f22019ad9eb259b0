"""Shared parts of the comparisons with other backtesters: bars, signals, and the criteria of agreement."""

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
    """Result of another backtester for the same decisions; amounts are per unit, costs included.

    Attributes:
        entry_bar: Entry bar of each trade.
        exit_bar: Exit bar of each trade; the last bar if it was sold at the last close.
        paid: Cash paid for one unit.
        received: Cash received for one unit.
        equity: Equity at the close of each bar, from 1.0; the last value is after the sale at the last close.
    """

    entry_bar: list[int]
    exit_bar: list[int]
    paid: Floats
    received: Floats
    equity: Floats


def volatile_bars(seed: int, *, gaps: bool) -> Bars:
    """Return 3,000 random bars with ranges wide enough to hit stops; without gaps, each opens at the previous close."""
    bars = random_bars(3_000, seed)
    if gaps:
        return bars
    opens = np.append(bars.open[:1], bars.close[:-1])
    return Bars(bars.time, opens, np.maximum(bars.high, opens), np.minimum(bars.low, opens), bars.close, bars.volume)


def spaced_signals(n: int, seed: int, plan: str, hold: int = 30) -> Signals:
    """Draw decisions; with a hold, entries are further apart than the hold."""
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


def gapped_over_target(simulation: Simulation, bars: Bars, stops: Stops, *, stop_first: bool) -> Bools:
    """Return a mask of the trades whose exit bar opened above the target, where this engine assumes the worse price.

    Both peers sell at such an open, as a resting limit order may; this engine never assumes more than the target. If
    the bar also falls to the stop, one peer fills the stop first, as this engine does, and the other fills the open.
    """
    trades = simulation.trades
    if stops.take_profit is None:
        return np.zeros(len(trades), np.bool_)
    reasons = [ExitReason.TAKE_PROFIT] + [ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP] * (not stop_first)
    above = bars.open[trades.exit_bar] > trades.entry_price * (1 + stops.take_profit)
    jumped: Bools = above & np.isin(trades.exit_reason, reasons)
    return jumped


def assert_agrees(simulation: Simulation, peer: Peer, bars: Bars, costs: Costs, jumped: Bools) -> None:
    """Compare bars exactly, amounts up to rounding, and the equity up to the first gap over a target."""
    trades = simulation.trades
    assert trades.entry_bar.tolist() == peer.entry_bar
    assert trades.exit_bar.tolist() == peer.exit_bar
    exit_price = np.where(jumped, bars.open[trades.exit_bar], trades.exit_price)
    np.testing.assert_allclose(costs.paid(trades.entry_price, bars.time, trades.entry_bar), peer.paid, rtol=1e-9)
    np.testing.assert_allclose(costs.received(exit_price, bars.time, trades.exit_bar), peer.received, rtol=1e-9)
    assert np.all(exit_price >= trades.exit_price)
    same = trades.exit_bar[jumped][0] if jumped.any() else len(bars)
    np.testing.assert_allclose(simulation.equity[:same], peer.equity[:same], rtol=1e-9)
    assert simulation.equity[-1] <= peer.equity[-1] * (1 + 1e-9)
