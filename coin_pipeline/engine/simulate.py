"""From signals to the outcome of each signal, and to one account that trades them."""

from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.account import Sizing, drawdown, simulate_account
from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.outcomes import UNFILLED, Samples, compute_outcomes, true_indices
from coin_pipeline.engine.signals import Signals


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What became of every signal (``samples``), and what one account made of them.

    Attributes:
        samples: One outcome per entry signal, as if it were the only one.
        taken: True for the samples that the account traded, bool, shape (m,).
        too_small: Number of signals not traded because the order would have been below the minimum.
        equity: Account value at the close of each bar, from 1.0, float64, shape (n,).
        max_drawdown: Largest loss from a peak of the equity, 1.0 included, a fraction.
        no_slot: Number of signals not traded because a shared account held as many positions as it may.
    """

    samples: Samples
    taken: Bools
    too_small: int
    equity: Floats
    max_drawdown: float
    no_slot: int = 0

    @property
    def drawdown(self) -> Floats:
        """Fraction that the equity lies below its highest value so far, 1.0 included, float64, shape (n,)."""
        return drawdown(self.equity)

    @property
    def trades(self) -> Samples:
        """The samples that the account traded; with ``signal_close`` every sample."""
        return self.samples.where(self.taken)

    @property
    def unfilled(self) -> int:
        """Number of signals (0 or 1) on the last bar, whose fill lies past it."""
        return int(np.count_nonzero(self.samples.entry_bar == UNFILLED))

    @property
    def ignored(self) -> int:
        """Number of signals not traded because the account held a position of this symbol."""
        left_out = self.unfilled + self.too_small + self.no_slot
        return len(self.samples) - int(np.count_nonzero(self.taken)) - left_out


def simulate(
    bars: Bars,
    signals: Signals,
    costs: Costs,
    fill: Fill,
    stops: Stops = Stops(),  # noqa: B008 - frozen
    sizing: Sizing = Sizing(),  # noqa: B008 - frozen
) -> Simulation:
    """Simulate the signals on the bars.

    With ``NEXT_OPEN`` the account holds one position at a time: a signal is traded if the account is flat when it is
    decided, at the close of its bar. A position left at the open of a bar, or within it, leaves the account flat at the
    close of that bar. While held it is marked at the close, its entry paid and its exit not yet; a position still open
    at the end is sold at the last close.

    With ``SIGNAL_CLOSE`` there is no account, since samples overlap: the equity compounds the return of every sample at
    the bar of its exit, in order of exit.

    Args:
        bars: n candles.
        signals: Decisions on the same n bars.
        costs: Charged on both legs.
        fill: Where decisions are executed.
        stops: Exits at a price, besides those of the signals.
        sizing: How much of the account a position takes.

    Raises:
        ValueError: The signals are not as long as the bars, or ``SIGNAL_CLOSE`` is given a sizing.
    """
    if len(signals) != len(bars):
        raise ValueError(f"signals on {len(signals)} bars do not fit {len(bars)} bars")
    rule = ExitRule(signals.hold, signals.exits, stops)
    samples = compute_outcomes(bars, true_indices(signals.entries), rule, costs, fill)
    if fill is Fill.SIGNAL_CLOSE:
        return _compound(bars, samples, sizing)
    paid = costs.paid(samples.entry_price)
    taken, too_small, equity, max_drawdown = simulate_account(
        bars.close, samples.signal_bar, samples.entry_bar, samples.exit_bar, paid, samples.growth, sizing
    )
    return Simulation(samples, taken, too_small, equity, max_drawdown)


def _compound(bars: Bars, samples: Samples, sizing: Sizing) -> Simulation:
    """Let every sample touch the curve at its exit only."""
    if (sizing.fraction, sizing.min_order) != (1.0, 0.0):
        raise ValueError("overlapping samples share no account, so they take no sizing")
    order = np.argsort(samples.exit_bar, kind="stable")  # a stop may end a later sample first
    left, growth = samples.exit_bar[order], samples.growth[order]
    taken, _, equity, max_drawdown = simulate_account(bars.close, left, left, left, growth, growth, sizing)
    return Simulation(samples, taken, 0, equity, max_drawdown)
