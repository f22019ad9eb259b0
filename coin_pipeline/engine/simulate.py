"""Simulation of signals: the outcome of each one, and the account that trades them."""

from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.account import Sizing, drawdown, simulate_account
from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.outcomes import UNFILLED, Samples, compute_outcomes
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.true_indices import true_indices


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """Outcome of every signal (``samples``), and of one account that trades them.

    Attributes:
        samples: One outcome per entry signal, as if it were the only one.
        taken: True for the samples that the account traded, bool, shape (m,).
        too_small: Number of signals not traded because the order would have been below the minimum.
        equity: Account value at the close of each bar, starting from 1.0, float64, shape (n,).
        max_drawdown: Largest loss from an equity peak, the initial 1.0 included, a fraction.
        no_slot: Number of signals not traded because a shared account had reached its limit of open positions.
    """

    samples: Samples
    taken: Bools
    too_small: int
    equity: Floats
    max_drawdown: float
    no_slot: int = 0

    @property
    def drawdown(self) -> Floats:
        """How far the equity is below its running maximum, the initial 1.0 included, a fraction, shape (n,)."""
        return drawdown(self.equity)

    @property
    def trades(self) -> Samples:
        """The samples that the account traded; with ``signal_close``, every sample."""
        return self.samples.where(self.taken)

    @property
    def unfilled(self) -> int:
        """Number of signals (0 or 1) on the last bar, whose fill would come after it."""
        return int(np.count_nonzero(self.samples.entry_bar == UNFILLED))

    @property
    def ignored(self) -> int:
        """Number of signals not traded because the account held a position in this symbol."""
        skipped = self.unfilled + self.too_small + self.no_slot
        return len(self.samples) - int(np.count_nonzero(self.taken)) - skipped


def simulate(
    bars: Bars,
    signals: Signals,
    costs: Costs,
    fill: Fill,
    stops: Stops = Stops(),  # noqa: B008 - frozen
    sizing: Sizing = Sizing(),  # noqa: B008 - frozen
) -> Simulation:
    """Simulate signals on bars.

    With ``NEXT_OPEN``, the account holds one position at a time: a signal is traded if the account is flat at the close
    of its bar, where it is decided. After an exit at the open of a bar or within it, the account is flat at the close
    of that bar. An open position is marked at the close, with entry costs included and exit costs not; a position still
    open on the last bar is sold at the last close.

    With ``SIGNAL_CLOSE``, samples overlap, so there is no account: the equity compounds the return of every sample at
    the bar of its exit, in order of exit.

    Args:
        bars: n candles.
        signals: Decisions on the same n bars.
        costs: Charged on both legs.
        fill: Execution price of decisions.
        stops: Price-triggered exits, in addition to those of the signals.
        sizing: Position sizing.

    Returns:
        The outcome of every signal and the equity of the account.

    Raises:
        ValueError: The signals and the bars differ in length, or ``SIGNAL_CLOSE`` is combined with a sizing.

    Example:
        Buy at the open after bar 0 and sell at the open two bars later, without costs:

        >>> import numpy as np
        >>> price = np.array([100.0, 100.0, 110.0, 121.0])
        >>> bars = Bars(np.arange(4), price, price, price, price, np.ones(4))
        >>> signals = Signals(entries=np.array([True, False, False, False]), hold=2)
        >>> simulation = simulate(bars, signals, Costs(0.0, 0.0), Fill.NEXT_OPEN)
        >>> simulation.equity.round(4).tolist()
        [1.0, 1.0, 1.1, 1.21]
        >>> len(simulation.trades), simulation.ignored
        (1, 0)
    """
    if len(signals) != len(bars):
        raise ValueError(f"signals have {len(signals)} bars, the candles have {len(bars)}")
    rule = ExitRule(signals.hold, signals.exits, stops)
    samples = compute_outcomes(bars, true_indices(signals.entries), rule, costs, fill)
    if fill is Fill.SIGNAL_CLOSE:
        return _compound(bars, samples, sizing)
    paid = costs.paid(samples.entry_price, bars.time, samples.entry_bar)
    taken, too_small, equity, max_drawdown = simulate_account(
        bars.close, samples.signal_bar, samples.entry_bar, samples.exit_bar, paid, samples.growth, sizing
    )
    return Simulation(samples, taken, too_small, equity, max_drawdown)


def _compound(bars: Bars, samples: Samples, sizing: Sizing) -> Simulation:
    """Compound the return of every sample at its exit."""
    if (sizing.fraction, sizing.min_order) != (1.0, 0.0):
        raise ValueError("signal_close cannot be combined with a sizing: overlapping samples do not share an account")
    order = np.argsort(samples.exit_bar, kind="stable")  # a stop may close a later sample first
    exit_bar, growth = samples.exit_bar[order], samples.growth[order]
    paid = np.ones(len(growth))  # no bar is held, so no units are valued
    taken, _, equity, max_drawdown = simulate_account(bars.close, exit_bar, exit_bar, exit_bar, paid, growth, sizing)
    return Simulation(samples, taken, 0, equity, max_drawdown)
