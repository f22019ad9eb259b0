"""One account that trades samples in their order, one position at a time."""

from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.kernel import borrowed_slice, kernel, prefetch

_LESS = 1.0 + 1e-12  # more than rounding may turn
_AHEAD = 16  # samples
_FIRST = 64  # bars of a position; the processor sees by itself that a longer one goes on


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much of the account goes into a position.

    Attributes:
        fraction: Share of the equity that each entry spends, costs included, 0 < x <= 1; the rest stays in cash.
        initial_cash: What the account starts with, KRW; equity is told in multiples of it.
        min_order: Smallest buy that the exchange takes, KRW; a smaller one is skipped.

    Raises:
        ValueError: A figure is out of its range.
    """

    fraction: float = 1.0
    initial_cash: float = 10_000_000.0
    min_order: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, not {self.fraction}")
        if not (self.initial_cash > 0 and self.min_order >= 0):
            raise ValueError(f"cash must be above 0, a minimum not below: {self.initial_cash}, {self.min_order}")
        object.__setattr__(self, "fraction", float(self.fraction))  # kernels are compiled for floats

    @property
    def min_equity(self) -> float:
        """Equity, in multiples of the initial cash, below which no entry is large enough."""
        return self.min_order / (self.fraction * self.initial_cash)


def simulate_account(
    close: Floats, decided: Ints, entered: Ints, left: Ints, paid: Floats, growth: Floats, sizing: Sizing
) -> tuple[Bools, int, Floats, float]:
    """Trade m samples in their order on n bars, one position at a time.

    A sample is skipped while a position is held (decided before the last exit) and where it has no entry. While held,
    the drawdown is taken from the peak before the entry and from the peak since, each as a ratio of its own: so the
    deepest one follows from the lowest close, which a sweep knows without walking the bars, to the last bit.

    Args:
        close: Last prices, shape (n,).
        decided: Bars at whose close the entries are decided, shape (m,).
        entered: Bars of the entry fills, -1 where there is none, shape (m,).
        left: Bars of the exit fills, shape (m,).
        paid: Money paid for one unit, shape (m,).
        growth: Money received over money paid, shape (m,).
        sizing: How much of the account a position takes.

    Returns:
        Which samples were traded, shape (m,); how many were too small to buy; equity, shape (n,); the deepest drawdown.
    """
    fraction = sizing.fraction
    # Made by numpy, which asks for huge pages; a kernel's own array would cost several times the loop in page faults.
    equity, taken = np.empty(len(close)), np.zeros(len(decided), np.bool_)
    too_small, max_drawdown = _walk(
        close, decided, entered, left, fraction / paid, growth, fraction, sizing.min_equity, equity, taken
    )
    return taken, too_small, equity, max_drawdown


def drawdown(equity: Floats) -> Floats:
    """Return the fraction that each value of an account lies below its highest so far, 1.0 included, shape (n,)."""
    fall: Floats = 1 - equity / np.maximum.accumulate(np.maximum(equity, 1.0))
    return fall


@kernel
def _walk(
    close: Floats,
    decided: Ints,
    entered: Ints,
    left: Ints,
    units: Floats,
    growth: Floats,
    fraction: float,
    min_equity: float,
    equity: Floats,
    taken: Bools,
) -> tuple[int, float]:
    """Fill the last two arrays as ``simulate_account`` says; ``units`` is what one unit of equity buys."""
    too_small = flat_from = 0
    value = peak = 1.0
    deepest = 0.0
    cash = 1.0 - fraction
    for s in range(len(decided)):
        if s + _AHEAD < len(decided):
            soon = entered[s + _AHEAD]
            for i in range(soon, min(left[s + _AHEAD], soon + _FIRST), 8):
                prefetch(close, i)
        if entered[s] < 0 or decided[s] < flat_from:
            continue
        if value < min_equity:
            too_small += 1
            continue
        taken[s] = True
        if entered[s] > flat_from:  # overlapping samples may end at one bar: then nothing is seen in between
            peak = max(peak, value)
            deepest = max(deepest, 1.0 - value / peak)
            _wait(borrowed_slice(equity, flat_from, entered[s]), value)
        held = borrowed_slice(close, entered[s], left[s])
        lowest, highest = _hold(held, borrowed_slice(equity, entered[s], left[s]), value, cash, units[s])
        if lowest < highest * (1.0 - deepest) * _LESS:
            deepest = max(deepest, _deepest_fall(held, cash, units[s]))
        deepest = max(deepest, 1.0 - value * lowest / peak)
        peak = max(peak, value * highest)
        value *= cash + fraction * growth[s]
        flat_from = left[s]
    _wait(equity[flat_from:], value)
    return too_small, max(deepest, 1.0 - value / max(peak, value))  # the last exit leaves its own bar, at least


@kernel
def _wait(equity: Floats, value: float) -> None:
    """Fill bars without a position; a loop is quicker than to assign to a slice."""
    for i in range(len(equity)):
        equity[i] = value


@kernel
def _hold(close: Floats, equity: Floats, value: float, cash: float, units: float) -> tuple[float, float]:
    """Fill bars on which ``cash`` and ``units`` are held per unit of ``value``; return the path's lowest and highest.

    Rounding keeps the order of numbers: the extremes of the path are those of the closes.
    """
    low, high = np.inf, 0.0
    for i in range(len(close)):
        equity[i] = value * (cash + units * close[i])
        low, high = min(low, close[i]), max(high, close[i])
    return cash + units * low, cash + units * high


@kernel
def _deepest_fall(close: Floats, cash: float, units: float) -> float:
    """Return the deepest drawdown of a path from a peak on it."""
    highest = deepest = 0.0
    for i in range(len(close)):
        path = cash + units * close[i]
        highest = max(highest, path)
        deepest = max(deepest, 1.0 - path / highest)
    return deepest
