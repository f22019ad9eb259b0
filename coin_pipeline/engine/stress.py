"""How much of a result hangs on its costs and on single trades."""

from collections.abc import Callable, Sequence

import numpy as np

from coin_pipeline.engine.bars import Floats
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import Samples


def total_return_at(trades: Samples, costs: Costs, fraction: float = 1.0) -> float | None:
    """Return what the trades, one after the other, return at other costs; undefined where it overflows.

    The trades stay those that were made, also where a minimum order would have left out others.

    Args:
        trades: The trades of one account, in order.
        costs: Charged instead of those at the time.
        fraction: Share of the equity in each trade.
    """
    growth = costs.received(trades.exit_price) / costs.paid(trades.entry_price)
    return compound_return(1 - fraction + fraction * growth)


def break_even_rate(accounts: Sequence[Floats], fraction: float = 1.0) -> float | None:
    """Return the cost of a leg, a fraction of its price, at which the accounts together return nothing.

    Undefined without trades; 0 where they gain nothing even without costs. A leg costs c: a unit is bought at
    price * (1 + c) and sold at price * (1 - c).

    Args:
        accounts: For each of several equal accounts, exit over entry price of its trades.
        fraction: Share of the equity in each trade.
    """

    def loses(rate: float) -> bool:
        kept = fraction * (1 - rate) / (1 + rate)
        logs = np.array([_log_growth(1 - fraction + kept * ratio) for ratio in accounts])
        return bool(np.logaddexp.reduce(logs) < np.log(len(logs)))

    return find_break_even(loses) if any(map(len, accounts)) else None


def find_break_even(loses: Callable[[float], bool], precision: float = 1e-12) -> float:
    """Return the cost of a leg at which gain turns to loss, by bisection: what fixed trades return has no jumps."""
    low, high = 0.0, 1.0
    if loses(low):
        return low
    while high - low > precision:
        rate = (low + high) / 2
        low, high = (low, rate) if loses(rate) else (rate, high)
    return low


def compound_return(growth: Floats) -> float | None:
    """Return the product of growth factors less 1; undefined where it overflows."""
    log_growth = _log_growth(growth)
    return float(np.expm1(log_growth)) if log_growth < np.log(np.finfo(float).max) else None


def _log_growth(growth: Floats) -> float:
    return float(np.log(growth).sum()) if growth.all() else -np.inf
