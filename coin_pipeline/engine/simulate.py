"""From signals to the outcome of each signal, and to one account that trades them."""

from dataclasses import dataclass, fields

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.fills import UNFILLED, Costs, Fill, execute
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.signals import Signals


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The outcomes of m entry signals, in their order, as arrays of shape (m,).

    Attributes:
        signal_bar: Bar at whose close the entry was decided, int64.
        entry_bar: Bar of the entry fill, int64; -1 where it lies past the last bar.
        exit_bar: Bar of the exit fill, int64; -1 where there was no entry.
        entry_price: Raw price of the entry, without costs, float64; NaN where there was no entry.
        exit_price: Raw price of the exit, float64; NaN where there was no entry.
        net_return: Return after the costs of both legs, a fraction, float64; NaN where there was no entry.
        bars_held: Bars from entry to exit, int64; 0 where there was no entry.
        open_at_end: True where the bars ended first, so that the exit is the last close.
    """

    signal_bar: Ints
    entry_bar: Ints
    exit_bar: Ints
    entry_price: Floats
    exit_price: Floats
    net_return: Floats
    bars_held: Ints
    open_at_end: Bools

    def __len__(self) -> int:
        return len(self.signal_bar)

    def where(self, mask: Bools) -> "Samples":
        """Return the samples at which the mask is True."""
        return Samples(*(getattr(self, field.name)[mask] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What became of every signal (``samples``), and what one account made of them.

    Attributes:
        samples: One outcome per entry signal, as if it were the only one.
        taken: True for the samples that the account traded, bool, shape (m,).
        equity: Account value at the close of each bar, from 1.0, float64, shape (n,).
        drawdown: Fraction that the equity lies below its highest value so far, 1.0 included, float64, shape (n,).
    """

    samples: Samples
    taken: Bools
    equity: Floats
    drawdown: Floats

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
        """Number of signals not traded because the account held a position."""
        return len(self.samples) - int(np.count_nonzero(self.taken)) - self.unfilled


def simulate(bars: Bars, signals: Signals, costs: Costs, fill: Fill) -> Simulation:
    """Simulate the signals on the bars.

    With ``NEXT_OPEN`` the account puts all it has into one position at a time: a signal is traded if the account is
    flat when it is decided, at the close of its bar. A position left at the open of a bar leaves the account flat at
    the close of that bar. While held it is marked at the close, its entry paid and its exit not yet; a position still
    open at the end is sold at the last close.

    With ``SIGNAL_CLOSE`` there is no account, since samples overlap: the equity compounds the return of every sample at
    the bar of its exit, in order of exit.

    Args:
        bars: n candles.
        signals: Decisions on the same n bars.
        costs: Charged on both legs.
        fill: Where decisions are executed.

    Raises:
        ValueError: The signals are not as long as the bars.
    """
    if len(signals) != len(bars):
        raise ValueError(f"signals on {len(signals)} bars do not fit {len(bars)} bars")
    samples = _outcomes(bars, signals, costs, fill)
    decided, entered = samples.signal_bar, samples.entry_bar
    if fill is Fill.SIGNAL_CLOSE:  # a sample touches the curve at its exit only
        decided = entered = samples.exit_bar
    taken, equity, drawdown = _walk(
        bars.close, decided, entered, samples.exit_bar, samples.entry_price * costs.buy_factor, 1 + samples.net_return
    )
    return Simulation(samples, taken, equity, drawdown)


def _outcomes(bars: Bars, signals: Signals, costs: Costs, fill: Fill) -> Samples:
    last = len(bars) - 1
    signal_bar = np.flatnonzero(signals.entries)
    entry_bar, entry_price = execute(bars, signal_bar, fill)
    exit_bar, exit_price = execute(bars, _exit_decisions(signals, signal_bar), fill)
    entered = entry_bar != UNFILLED
    open_at_end = entered & (exit_bar == UNFILLED)
    exit_bar[open_at_end] = last
    exit_price[open_at_end] = bars.close[-1:]
    growth = exit_price * costs.sell_factor / (entry_price * costs.buy_factor)
    # An exit at a close holds its bar as well; one at an open does not.
    at_close = open_at_end | (fill is Fill.SIGNAL_CLOSE)
    bars_held = np.where(entered, exit_bar + at_close - (signal_bar + 1), 0)
    return Samples(signal_bar, entry_bar, exit_bar, entry_price, exit_price, growth - 1, bars_held, open_at_end)


def _exit_decisions(signals: Signals, signal_bar: Ints) -> Ints:
    """Return the bar at whose close each sample decides its exit; n, past the last bar, where it never does."""
    n = len(signals)
    decided = np.full(len(signal_bar), n)
    if signals.hold is not None:
        decided = np.minimum(signal_bar + min(signals.hold, n), n)
    if signals.exits is not None:
        exit_signals = np.append(np.flatnonzero(signals.exits), n)
        decided = np.minimum(decided, exit_signals[np.searchsorted(exit_signals, signal_bar, side="right")])
    return decided


@kernel
def _walk(
    close: Floats, decided: Ints, entered: Ints, left: Ints, unit_cost: Floats, growth: Floats
) -> tuple[Bools, Floats, Floats]:
    """Trade the samples in order and return taken (m,), equity (n,) and drawdown (n,).

    A sample is skipped while a position is held (decided before the last exit) and where it has no entry (-1).
    """
    n = len(close)
    equity = np.empty(n)
    drawdown = np.empty(n)
    taken = np.zeros(len(decided), np.bool_)
    value = peak = 1.0
    flat_from = 0
    for s in range(len(decided)):
        if entered[s] < 0 or decided[s] < flat_from:
            continue
        taken[s] = True
        peak = _wait(equity[flat_from : entered[s]], drawdown[flat_from : entered[s]], value, peak)
        held = slice(entered[s], left[s])
        peak = _mark(close[held], equity[held], drawdown[held], value / unit_cost[s], peak)
        value *= growth[s]
        flat_from = left[s]
    _wait(equity[flat_from:], drawdown[flat_from:], value, peak)
    return taken, equity, drawdown


@kernel
def _wait(equity: Floats, drawdown: Floats, value: float, peak: float) -> float:
    """Fill bars without a position and return the new peak."""
    if len(equity) > 0:
        peak = max(peak, value)
        equity[:] = value
        drawdown[:] = 1.0 - value / peak
    return peak


@kernel
def _mark(close: Floats, equity: Floats, drawdown: Floats, units: float, peak: float) -> float:
    """Fill bars on which ``units`` are held and return the new peak."""
    for i in range(len(close)):
        equity[i] = units * close[i]
        peak = max(peak, equity[i])
        drawdown[i] = 1.0 - equity[i] / peak
    return peak
