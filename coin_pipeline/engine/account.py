"""A single-symbol account that trades samples in order, one position at a time."""

from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.engine.kernel import borrowed_slice, kernel, prefetch

MAX_EQUITY = 1e250
"""Highest equity, in multiples of the initial cash, of which every figure and every amount of money is finite."""
_ROUNDING_MARGIN = 1.0 + 1e-12  # larger than any rounding error of the comparison
_PREFETCH_SAMPLES = 16  # samples to look ahead
_PREFETCH_BARS = 64  # first bars of a position; beyond these the hardware prefetcher takes over


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much of the account goes into a position.

    Attributes:
        fraction: Share of the equity that each entry spends, costs included, 0 < x <= 1; the rest stays in cash.
        initial_cash: Starting capital, in the quote currency; equity is expressed in multiples of it.
        min_order: Minimum order value of the exchange, in the quote currency; smaller buys are skipped.

    Raises:
        ValueError: A value is out of range.
    """

    fraction: float = 1.0
    initial_cash: float = 10_000_000.0
    min_order: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, not {self.fraction}")
        if not (self.initial_cash > 0 and self.min_order >= 0):
            raise ValueError(
                f"initial_cash must be above 0 and min_order at least 0, not {self.initial_cash} and {self.min_order}"
            )
        object.__setattr__(self, "fraction", float(self.fraction))  # kernels are compiled for float arguments

    @property
    def min_equity(self) -> float:
        """Equity, in multiples of the initial cash, below which every entry is under the minimum order.

        It is lower by ``decimals.TOLERANCE``: 0.57 of 10,000 is an order of 5,700, not of 5,699.999999999999.
        """
        return self.min_order / (self.fraction * self.initial_cash) * AT_LEAST


def simulate_account(
    close: Floats, signal_bar: Ints, entry_bar: Ints, exit_bar: Ints, paid: Floats, growth: Floats, sizing: Sizing
) -> tuple[Bools, int, Floats, float]:
    """Trade m samples in order on n bars, one position at a time.

    A sample is skipped if it has no entry or was decided before the last exit, while a position was held. During a
    position, the drawdown from the peak before the entry and the drawdown from the peak since the entry are computed
    as separate ratios. The maximum therefore follows from the lowest close, which a sweep knows without iterating over
    the bars, and both agree to the last bit.

    Args:
        close: Close prices, shape (n,).
        signal_bar: Bars at whose close the entries are decided, shape (m,).
        entry_bar: Bars of the entry fills, -1 if unfilled, shape (m,).
        exit_bar: Bars of the exit fills, shape (m,).
        paid: Cash paid for one unit, shape (m,).
        growth: Cash received over cash paid, shape (m,).
        sizing: Position sizing.

    Returns:
        A mask of the samples traded, shape (m,); the number of samples below the minimum order; equity, shape (n,); and
        the maximum drawdown.
    """
    fraction = sizing.fraction
    # Allocated by numpy, which requests huge pages: page faults of an array allocated in the kernel would cost several
    # times the loop itself.
    equity, taken = np.empty(len(close)), np.zeros(len(signal_bar), np.bool_)
    too_small, max_drawdown = _simulate(
        close, signal_bar, entry_bar, exit_bar, fraction / paid, growth, fraction, sizing.min_equity, equity, taken
    )
    return taken, too_small, equity, max_drawdown


def is_representable(equity: Floats) -> bool:
    """Return whether all values are within ``MAX_EQUITY``; an account that compounds beyond it has no figures."""
    return bool(equity.max(initial=0.0) <= MAX_EQUITY)  # False for NaN


def drawdown(equity: Floats) -> Floats:
    """Return how far each equity value is below its running maximum, a fraction, shape (n,).

    The running maximum starts at the initial equity, 1.0.
    """
    fraction: Floats = 1 - equity / np.maximum.accumulate(np.maximum(equity, 1.0))
    return fraction


@kernel
def _simulate(
    close: Floats,
    signal_bar: Ints,
    entry_bar: Ints,
    exit_bar: Ints,
    units: Floats,
    growth: Floats,
    fraction: float,
    min_equity: float,
    equity: Floats,
    taken: Bools,
) -> tuple[int, float]:
    """Fill ``equity`` and ``taken`` as ``simulate_account`` describes; ``units`` is what one unit of equity buys."""
    too_small = flat_from = 0
    value = peak = 1.0
    max_drawdown = 0.0
    cash = 1.0 - fraction
    for s in range(len(signal_bar)):
        if s + _PREFETCH_SAMPLES < len(signal_bar):
            upcoming = entry_bar[s + _PREFETCH_SAMPLES]
            for i in range(upcoming, min(exit_bar[s + _PREFETCH_SAMPLES], upcoming + _PREFETCH_BARS), 8):
                prefetch(close, i)
        if entry_bar[s] < 0 or signal_bar[s] < flat_from:
            continue
        if value < min_equity:
            too_small += 1
            continue
        taken[s] = True
        if entry_bar[s] > flat_from:  # overlapping samples may exit on the same bar, with no bar in between
            peak = max(peak, value)
            max_drawdown = max(max_drawdown, 1.0 - value / peak)
            _fill_flat(borrowed_slice(equity, flat_from, entry_bar[s]), value)
        if exit_bar[s] > entry_bar[s]:  # overlapping samples are traded at their exits and hold no bar
            held = borrowed_slice(close, entry_bar[s], exit_bar[s])
            lowest, highest = _fill_held(held, borrowed_slice(equity, entry_bar[s], exit_bar[s]), value, cash, units[s])
            if lowest < highest * (1.0 - max_drawdown) * _ROUNDING_MARGIN:
                max_drawdown = max(max_drawdown, _max_drawdown(held, cash, units[s]))
            max_drawdown = max(max_drawdown, 1.0 - value * lowest / peak)
            peak = max(peak, value * highest)
        value *= cash + fraction * growth[s]
        flat_from = exit_bar[s]
    _fill_flat(equity[flat_from:], value)
    return too_small, max(max_drawdown, 1.0 - value / max(peak, value))  # at least the bar of the last exit remains


@kernel
def _fill_flat(equity: Floats, value: float) -> None:
    """Fill bars without a position; a loop is faster than a slice assignment."""
    for i in range(len(equity)):
        equity[i] = value


@kernel
def _fill_held(close: Floats, equity: Floats, value: float, cash: float, units: float) -> tuple[float, float]:
    """Fill bars on which ``cash`` and ``units`` are held per unit of ``value``; return the path's minimum and maximum.

    Rounding is monotonic, so the path has its extremes where the closes have theirs.
    """
    low, high = np.inf, 0.0
    for i in range(len(close)):
        equity[i] = value * (cash + units * close[i])
        low, high = min(low, close[i]), max(high, close[i])
    return cash + units * low, cash + units * high


@kernel
def _max_drawdown(close: Floats, cash: float, units: float) -> float:
    """Return the maximum drawdown within a path, from peaks on that path."""
    highest = max_drawdown = 0.0
    for i in range(len(close)):
        path = cash + units * close[i]
        highest = max(highest, path)
        max_drawdown = max(max_drawdown, 1.0 - path / highest)
    return max_drawdown
