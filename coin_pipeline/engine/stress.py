"""Sensitivity of a result to costs."""

from collections.abc import Callable, Sequence

import numpy as np

from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.decimals import TOLERANCE
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import Samples

_BRACKETED = 2e-11
"""Distance from the break-even cost beyond which bisection does not compute returns, if all equity is in each trade."""
_FIRST_STEP, _MAX_STEPS = -1e-3, 12
_INTERPOLATED = 4e-6  # width of the interval of costs in which a return is interpolated


def total_return_at(trades: Samples, time: Ints, costs: Costs, fraction: float = 1.0) -> float | None:
    """Return the total return of the same trades at different costs; None if it overflows.

    The set of trades is fixed, even where a minimum order would have skipped some at these costs.

    Args:
        trades: Trades of one account, in order.
        time: Open times of the bars, ns UTC, shape (n,).
        costs: Costs to charge instead of the original ones.
        fraction: Share of the equity in each trade.
    """
    return compound_return(1 - fraction + fraction * growth_at(trades, time, costs))


def growth_at(trades: Samples, time: Ints, costs: Costs) -> Floats:
    """Return the cash received over the cash paid of each trade at different costs, shape (trades,).

    Args:
        trades: Trades of one account.
        time: Open times of the bars, ns UTC, shape (n,).
        costs: Costs to charge instead of the original ones.
    """
    received = costs.received(trades.exit_price, time, trades.exit_bar)
    return received / costs.paid(trades.entry_price, time, trades.entry_bar)


def break_even_rate(
    gross: Sequence[Floats], fraction: float = 1.0, quoted: Sequence[Floats] | None = None
) -> float | None:
    """Return the cost per leg, a fraction of its price, at which the accounts have a combined return of zero.

    With a cost of c per leg, a unit is bought at price * (1 + c) and sold at price * (1 - c), where the price is first
    rounded to a tick if the costs have ticks.

    Args:
        gross: Exit price over entry price of each trade, for each of several equally funded accounts.
        fraction: Share of the equity in each trade.
        quoted: Like `gross`, with both prices rounded to ticks; None without ticks.

    Returns:
        The break-even cost; 0 if the ticks alone turn the gain into a loss; None if the accounts lose even without
        costs, or if there are no trades.
    """

    def excess(ratios: Sequence[Floats], rate: float) -> float:
        kept = fraction * (1 - rate) / (1 + rate)
        logs = np.array([_log_growth(1 - fraction + kept * ratio) for ratio in ratios])
        return float(np.logaddexp.reduce(logs) - (np.log(len(logs)) - TOLERANCE))

    if not any(map(len, gross)) or excess(gross, 0.0) < 0:
        return None
    ratios = gross if quoted is None else quoted
    bracket = _bracket(lambda rate: excess(ratios, rate), _BRACKETED / fraction)
    return find_break_even(lambda rate: excess(ratios, rate) < 0, bracket=bracket)


def _bracket(excess: Callable[[float], float], width: float) -> tuple[float, float]:
    """Return a gaining and a losing cost per leg close to the break-even cost, found by the secant method.

    Args:
        excess: Decreasing function of the cost per leg, negative for a loss.
        width: Distance of each end from the break-even cost, much more than the rounding errors of `excess`.

    Returns:
        The two costs; 0 and 1 if the method does not converge.
    """

    def at(log_kept: float) -> float:  # an account that spends everything is a straight line in this variable
        return excess(_rate_of(log_kept))

    before, log_kept = 0.0, _FIRST_STEP
    last, value = at(before), at(log_kept)
    for _ in range(_MAX_STEPS):
        slope = (value - last) / (log_kept - before)
        if not (np.isfinite(slope) and slope > 0):
            return 0.0, 1.0
        before, log_kept, last = log_kept, min(log_kept - value / slope, 0.0), value
        if abs(log_kept - before) < width / 2:
            break
        value = at(log_kept)
    rate = _rate_of(log_kept)
    # The ends are twice as far away as the costs that were tried: rounding errors cannot decide beyond them.
    is_found = width < rate < 1 - width and excess(rate - width / 2) >= 0 > excess(rate + width / 2)
    return (rate - width, rate + width) if is_found else (0.0, 1.0)


def _rate_of(log_kept: float) -> float:
    """Return the cost per leg of which (1 - cost) / (1 + cost) has this logarithm."""
    return float(-np.tanh(log_kept / 2))


def find_break_even(
    loses: Callable[[float], bool], precision: float = 1e-12, bracket: tuple[float, float] = (0.0, 1.0)
) -> float:
    """Return the cost per leg at which gain turns into loss, by bisection.

    Bisection applies because the return of a fixed set of trades is a continuous function of the cost.

    Args:
        loses: Whether the trades lose at a given cost per leg.
        precision: Width of the final interval.
        bracket: Costs outside of which the answer is known; it is not asked for there, and the result is the same.
    """
    low, high = 0.0, 1.0
    if loses(low):
        return low
    while high - low > precision:
        rate = (low + high) / 2
        lost = rate >= bracket[1] or (rate > bracket[0] and loses(rate))
        low, high = (low, rate) if lost else (rate, high)
    return low


def interpolate_break_even(total_return: Callable[[float], float]) -> float:
    """Like `find_break_even`, for an account whose return takes long to compute: interpolation is the last step.

    Over so narrow an interval the return is a straight line: the error is 4e-12 of cost per trade.

    Args:
        total_return: The total return at a given cost per leg.
    """
    low = find_break_even(lambda rate: total_return(rate) < 0, _INTERPOLATED)
    gain = total_return(low)
    if gain <= TOLERANCE:
        return low
    loss = total_return(low + _INTERPOLATED)
    return low + _INTERPOLATED * gain / (gain - loss)


def compound_return(growth: Floats) -> float | None:
    """Return the product of the growth factors minus 1; None if it overflows."""
    log_growth = _log_growth(growth)
    return float(np.expm1(log_growth)) if log_growth < np.log(np.finfo(float).max) else None


def _log_growth(growth: Floats) -> float:
    return float(np.log(growth).sum()) if growth.all() else -np.inf
