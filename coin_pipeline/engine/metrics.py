"""Performance statistics of a simulation, one function each. A year has 365 days of 24 hours."""

import math
import sys
from dataclasses import dataclass

import numpy as np

from coin_pipeline.engine.bars import YEAR_NS, Bars, Closes, Floats, Ints
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.simulate import Simulation


@dataclass(frozen=True, slots=True)
class Metrics:
    """Statistics of one simulation. Returns, shares and drawdowns are fractions; None means undefined.

    Attributes:
        total_return: Growth of the account minus 1.
        cagr: Compound annual growth rate; undefined without bars or on overflow.
        volatility: Annualized standard deviation of the returns per bar; undefined for fewer than two bars.
        sharpe: Annualized Sharpe ratio; undefined if the volatility is undefined or zero.
        sortino: Annualized Sortino ratio; undefined for fewer than two bars or without a losing bar.
        max_drawdown: Largest loss from an equity peak, >= 0.
        exposure: Share of the bars on which a position was held; undefined without bars.
        buy_and_hold: Return of buying at the first open and selling at the last close; undefined without bars.
        signals: Number of entry signals.
        trades: Number of round trips.
        ignored: Number of signals not traded because a position was held.
        win_rate: Share of trades with a net gain; undefined without trades.
        avg_return: Mean net return per trade; undefined without trades.
        expectancy: Same value as ``avg_return``, under the name that traders expect.
        profit_factor: Sum of gains over sum of losses; undefined without a losing trade.
        avg_hold_bars: Mean number of bars from entry to exit; undefined without trades.
    """

    total_return: float
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    exposure: float | None
    buy_and_hold: float | None
    signals: int
    trades: int
    ignored: int
    win_rate: float | None
    avg_return: float | None
    expectancy: float | None
    profit_factor: float | None
    avg_hold_bars: float | None


def compute_metrics(simulation: Simulation, bars: Bars | Closes, bars_per_year: float, costs: Costs) -> Metrics:
    """Compute all statistics of a simulation.

    Args:
        simulation: Result of ``simulate``.
        bars: The bars it ran on.
        bars_per_year: Number of bars in 365 days without gaps.
        costs: The costs of the simulation, also charged on buy and hold.

    Example:
        >>> import numpy as np
        >>> from coin_pipeline.engine.execution import Fill
        >>> from coin_pipeline.engine.signals import Signals
        >>> from coin_pipeline.engine.simulate import simulate
        >>> price, costs = np.array([100.0, 100.0, 110.0]), Costs(0.0, 0.0)
        >>> bars = Bars(np.arange(3), price, price, price, price, np.ones(3))
        >>> simulation = simulate(bars, Signals(np.array([True, False, False]), hold=1), costs, Fill.NEXT_OPEN)
        >>> metrics = compute_metrics(simulation, bars, bars_per_year=365, costs=costs)
        >>> metrics.trades, metrics.win_rate, round(metrics.total_return, 4)
        (1, 1.0, 0.1)
    """
    returns, trades = bar_returns(simulation.equity), simulation.trades
    return Metrics(
        total_return=total_return(simulation.equity),
        cagr=cagr(simulation.equity, bars.time, bars_per_year),
        volatility=volatility(returns, bars_per_year),
        sharpe=sharpe(returns, bars_per_year),
        sortino=sortino(returns, bars_per_year),
        max_drawdown=simulation.max_drawdown,
        exposure=exposure(trades, len(bars)),
        buy_and_hold=buy_and_hold(bars, costs),
        signals=len(simulation.samples),
        trades=len(trades),
        ignored=simulation.ignored,
        win_rate=win_rate(trades),
        avg_return=avg_return(trades),
        expectancy=avg_return(trades),
        profit_factor=profit_factor(trades),
        avg_hold_bars=avg_hold_bars(trades),
    )


def bar_returns(equity: Floats) -> Floats:
    """Return the simple return per bar, shape (n,). The account starts at 1.0; after a total loss, returns are 0."""
    before = np.concatenate([[1.0], equity])[:-1]
    growth: Floats = np.divide(equity, before, out=np.ones(len(equity)), where=before > 0)
    return growth - 1


def total_return(equity: Floats) -> float:
    """Return the growth of the account minus 1; 0 without bars."""
    return float(equity[-1]) - 1 if len(equity) else 0.0


def cagr(equity: Floats, time: Ints, bars_per_year: float) -> float | None:
    """Return growth ** (1 / years) - 1, over calendar time so that missing bars do not shorten the period.

    The period runs from the first open to the last close.
    """
    if not len(time):
        return None
    years = (int(time[-1]) - int(time[0])) / YEAR_NS + 1 / bars_per_year
    log_growth = math.log(equity[-1]) / years if equity[-1] > 0 else -math.inf
    return _expm1(log_growth)


def volatility(returns: Floats, bars_per_year: float) -> float | None:
    """Return the sample standard deviation (n - 1) of the returns per bar times the square root of bars per year."""
    if len(returns) < 2:  # noqa: PLR2004 - a sample deviation needs two values
        return None
    return float(np.std(returns, ddof=1)) * math.sqrt(bars_per_year)


def sharpe(returns: Floats, bars_per_year: float) -> float | None:
    """Return the annualized mean return over the volatility, with a risk-free rate of zero (Sharpe, 1994)."""
    deviation = volatility(returns, bars_per_year)
    return float(np.mean(returns)) * bars_per_year / deviation if deviation else None


def sortino(returns: Floats, bars_per_year: float) -> float | None:
    """Return the annualized mean return over the annualized downside deviation (Sortino and Price, 1994).

    The downside deviation is the square root of the mean squared negative return, taken over all bars.
    """
    downside = np.minimum(returns, 0.0)
    if len(returns) < 2 or not downside.any():  # noqa: PLR2004 - as for the Sharpe ratio
        return None
    deviation = math.sqrt(float(np.mean(downside**2)) * bars_per_year)
    return float(np.mean(returns)) * bars_per_year / deviation


def exposure(trades: Samples, n: int) -> float | None:
    """Return the share of the n bars on which at least one position was held."""
    if not n:
        return None
    first = trades.signal_bar + 1
    end = first + trades.bars_held
    covered_until = np.maximum.accumulate(np.append(0, end))[: len(end)]  # a stop may close a later sample first
    return int(np.maximum(end - np.maximum(first, covered_until), 0).sum()) / n


def buy_and_hold(bars: Bars | Closes, costs: Costs) -> float | None:
    """Return the return of buying at the first open and selling at the last close, after costs."""
    if not len(bars):
        return None
    received = costs.received(bars.close[-1:], bars.time, np.array([-1]))
    return float((received / costs.paid(bars.open[:1], bars.time, np.array([0])))[0]) - 1


def win_rate(trades: Samples) -> float | None:
    """Return the share of trades whose net return is above zero."""
    return float(np.mean(trades.net_return > 0)) if len(trades) else None


def avg_return(trades: Samples) -> float | None:
    """Return the mean net return per trade, also called expectancy."""
    gains, losses = gains_and_losses(trades.net_return)
    return (gains - losses) / len(trades) if len(trades) else None


def profit_factor(trades: Samples) -> float | None:
    """Return the sum of gains over the sum of losses."""
    gains, losses = gains_and_losses(trades.net_return)
    return gains / losses if losses else None


def gains_and_losses(net_return: Floats) -> tuple[float, float]:
    """Return the sum of the positive net returns, and the sum of the others with the sign inverted.

    Values are added in order, as a sweep does trade by trade, so that both agree to the last bit.
    """
    won = net_return > 0
    return _sum_in_order(net_return[won]), _sum_in_order(-net_return[~won])


def avg_hold_bars(trades: Samples) -> float | None:
    """Return the mean number of bars from entry to exit."""
    return float(np.mean(trades.bars_held)) if len(trades) else None


def _expm1(log_growth: float) -> float | None:
    return math.expm1(log_growth) if log_growth < math.log(sys.float_info.max) else None


def _sum_in_order(values: Floats) -> float:
    return float(np.cumsum(np.append(0.0, values))[-1])
