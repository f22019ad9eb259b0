"""Sensitivity of a result to costs."""

from collections.abc import Callable, Sequence

import numpy as np

from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.decimals import TOLERANCE
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import Samples

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

    def loses(ratios: Sequence[Floats], rate: float) -> bool:
        kept = fraction * (1 - rate) / (1 + rate)
        logs = np.array([_log_growth(1 - fraction + kept * ratio) for ratio in ratios])
        return bool(np.logaddexp.reduce(logs) < np.log(len(logs)) - TOLERANCE)

    if not any(map(len, gross)) or loses(gross, 0.0):
        return None
    return find_break_even(lambda rate: loses(gross if quoted is None else quoted, rate))


def find_break_even(loses: Callable[[float], bool], precision: float = 1e-12) -> float:
    """Return the cost per leg at which gain turns into loss, by bisection.

    Bisection applies because the return of a fixed set of trades is a continuous function of the cost.

    Args:
        loses: Whether the trades lose at a given cost per leg.
        precision: Width of the final interval.
    """
    low, high = 0.0, 1.0
    if loses(low):
        return low
    while high - low > precision:
        rate = (low + high) / 2
        low, high = (low, rate) if loses(rate) else (rate, high)
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
