"""One account that trades samples in their order, one position at a time."""

from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.kernel import kernel


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

    @property
    def least_equity(self) -> float:
        """Equity, in multiples of the initial cash, below which no entry is large enough."""
        return self.min_order / (self.fraction * self.initial_cash)


def walk(
    close: Floats, decided: Ints, entered: Ints, left: Ints, paid: Floats, growth: Floats, sizing: Sizing
) -> tuple[Bools, int, Floats, Floats]:
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
        Which samples were traded, shape (m,); how many were too small to buy; equity and drawdown, shape (n,).
    """
    fraction = float(sizing.fraction)  # a kernel compiles integers apart
    units = fraction / paid
    # Made by numpy, which asks for huge pages; a kernel's own arrays would cost several times the loop in page faults.
    equity, drawdown, taken = np.empty(len(close)), np.empty(len(close)), np.zeros(len(decided), np.bool_)
    too_small = _walk(
        close, decided, entered, left, units, growth, fraction, sizing.least_equity, equity, drawdown, taken
    )
    return taken, too_small, equity, drawdown


@kernel
def _walk(
    close: Floats,
    decided: Ints,
    entered: Ints,
    left: Ints,
    units: Floats,
    growth: Floats,
    fraction: float,
    least_equity: float,
    equity: Floats,
    drawdown: Floats,
    taken: Bools,
) -> int:
    """Fill the last three arrays as ``walk`` says; ``units`` is what one unit of equity buys."""
    too_small = 0
    value = peak = 1.0
    flat_from = 0
    cash = 1.0 - fraction
    for s in range(len(decided)):
        if entered[s] < 0 or decided[s] < flat_from:
            continue
        if value < least_equity:
            too_small += 1
            continue
        taken[s] = True
        peak = _wait(equity[flat_from : entered[s]], drawdown[flat_from : entered[s]], value, peak)
        held = slice(entered[s], left[s])
        peak = _hold(close[held], equity[held], drawdown[held], value, cash, units[s], peak)
        value *= cash + fraction * growth[s]
        flat_from = left[s]
    _wait(equity[flat_from:], drawdown[flat_from:], value, peak)
    return too_small


@kernel
def _wait(equity: Floats, drawdown: Floats, value: float, peak: float) -> float:
    """Fill bars without a position and return the new peak."""
    if len(equity) > 0:
        peak = max(peak, value)
        depth = 1.0 - value / peak
        for i in range(len(equity)):  # quicker than to assign to a slice
            equity[i] = value
            drawdown[i] = depth
    return peak


@kernel
def _hold(
    close: Floats, equity: Floats, drawdown: Floats, value: float, cash: float, units: float, peak: float
) -> float:
    """Fill bars on which ``cash`` and ``units`` are held per unit of ``value``, and return the new peak."""
    highest = 0.0
    for i in range(len(close)):
        path = cash + units * close[i]
        highest = max(highest, path)
        equity[i] = value * path
        drawdown[i] = max(1.0 - equity[i] / peak, 1.0 - path / highest)
    return max(peak, value * highest)
