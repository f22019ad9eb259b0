"""Statistics of an account and its trades that a report shows beyond those of the result. Pure functions of arrays.

Days, months and years are those of the time zone of the backtest. A bar belongs to the day on which it opens.
"""

import math
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from coin_pipeline.candles.timeframe import DAY_NS
from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.metrics import bar_returns
from coin_pipeline.report.payload import Histogram, YearReturns
from coin_pipeline.report.periods import Days

DAYS_PER_YEAR, MONTHS_PER_YEAR = 365, 12
_FIRST_YEAR = 1970
_MIN_SAMPLE = 2  # values that a deviation or a distribution needs
_MAX_BINS = 60
_FEW, _BINS_OF_FEW = 10, 20
"""Number of returns below which each has a bin of its own, and the number of bins of their range."""
_ROUNDING = 1e-12
"""Returns that differ by no more are equal but for rounding errors."""
_PERCENTILES = (5, 50, 95)


class Daily(NamedTuple):
    """An account at the end of each calendar day, including days without a bar; columns of shape (days,).

    Attributes:
        day: Days since 1970, consecutive.
        end: First instant after the day, ns UTC.
        last_bar: Open of the last bar up to the end of the day, ns UTC.
        equity: Growth factor; it is 1.0 before the first day.
        buy_and_hold: Growth factor of buying and holding; None if unknown.
    """

    day: Ints
    end: Ints
    last_bar: Ints
    equity: Floats
    buy_and_hold: Floats | None

    @classmethod
    def of(cls, time: Ints, equity: Floats, buy_and_hold: Floats, zone: str) -> "Daily":
        """Return the ends of the days of an account per bar.

        Args:
            time: Open of each bar, ns UTC, shape (n,), n > 0.
            equity: Growth factors, shape (n,).
            buy_and_hold: Growth factors, shape (n,); NaN if unknown.
            zone: IANA name of the time zone of the days.
        """
        days = Days.covering(time, zone)
        row = np.searchsorted(time, days.end) - 1
        held = buy_and_hold[row]
        return cls(days.number, days.end, time[row], equity[row], None if np.isnan(held).any() else held)

    @property
    def returns(self) -> Floats:
        """Simple return per day, shape (days,)."""
        return bar_returns(self.equity)

    @property
    def month(self) -> Ints:
        """Month of each day, counted from January 1970, shape (days,)."""
        months: Ints = self.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return months


def returns_by_year(daily: Daily) -> list[YearReturns]:
    """Return the returns of calendar months and years, oldest first; the first and the last may be incomplete."""
    month, year = daily.month, daily.month // MONTHS_PER_YEAR
    months, monthly = returns_of(month, daily.equity)
    years, yearly = returns_of(year, daily.equity)
    held = [None] * len(years) if daily.buy_and_hold is None else returns_of(year, daily.buy_and_hold)[1].tolist()
    by_month = dict(zip(months.tolist(), monthly.tolist(), strict=True))
    return [
        {
            "year": _FIRST_YEAR + number,
            "months": [by_month.get(MONTHS_PER_YEAR * number + month) for month in range(MONTHS_PER_YEAR)],
            "total": total,
            "buy_and_hold": of_held,
        }
        for number, total, of_held in zip(years.tolist(), yearly.tolist(), held, strict=True)
    ]


def returns_of(period: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Return each period, in order, and its return.

    Args:
        period: Period of each day, ascending, shape (days,).
        values: Growth factor at the end of each day, shape (days,).
    """
    periods, starts = np.unique(period, return_index=True)
    return periods, bar_returns(values[np.append(starts[1:], len(values)) - 1])


def rolling_sharpe(returns: Floats, window: int) -> Floats:
    """Return the annualized Sharpe ratio of the last `window` daily returns, shape (n,).

    It is NaN until the window is full, and where all returns of the window are equal.
    """

    def ratio(windows: Floats) -> Floats:
        varies = windows.max(axis=1) > windows.min(axis=1)  # the deviation of equal values may be a rounding error
        return _divide(math.sqrt(DAYS_PER_YEAR) * windows.mean(axis=1), windows.std(axis=1, ddof=1), varies)

    return _rolling(ratio, window, returns)


def rolling_sortino(returns: Floats, window: int) -> Floats:
    """Return the annualized Sortino ratio of the last `window` daily returns, shape (n,); see `metrics.sortino`.

    It is NaN until the window is full, and where the window has no negative return.
    """

    def ratio(windows: Floats) -> Floats:
        downside = np.sqrt(np.mean(np.minimum(windows, 0.0) ** 2, axis=1))
        return _divide(math.sqrt(DAYS_PER_YEAR) * windows.mean(axis=1), downside, downside > 0)

    return _rolling(ratio, window, returns)


def rolling_volatility(returns: Floats, window: int) -> Floats:
    """Return the annualized deviation of the last `window` daily returns, shape (n,); NaN until the window is full."""
    return _rolling(lambda windows: math.sqrt(DAYS_PER_YEAR) * windows.std(axis=1, ddof=1), window, returns)


def rolling_beta(returns: Floats, benchmark: Floats, window: int) -> Floats:
    """Return beta of the last `window` daily returns against a benchmark, shape (n,); see `alpha_beta`.

    It is NaN until the window is full, and where the benchmark does not move in it.
    """

    def beta(windows: Floats, others: Floats) -> Floats:
        deviations = others - others.mean(axis=1, keepdims=True)
        varies = others.max(axis=1) > others.min(axis=1)
        return _divide((deviations * windows).sum(axis=1), (deviations**2).sum(axis=1), varies)

    return _rolling(beta, window, returns, benchmark)


def _rolling(figure: Callable[..., Floats], window: int, *columns: Floats) -> Floats:
    """Return a figure of the windows of some columns, shape (n,); NaN until the window is full.

    Args:
        figure: Takes the windows of each column, shape (n - window + 1, window), and returns a value for each.
        window: Values in a window.
        columns: Daily returns, shape (n,) each.
    """
    values = np.full(len(columns[0]), np.nan)
    if len(values) >= window:
        with np.errstate(over="ignore", invalid="ignore"):  # absurd returns: undefined
            values[window - 1 :] = figure(*(np.lib.stride_tricks.sliding_window_view(c, window) for c in columns))
    return values


def _divide(numerator: Floats, denominator: Floats, defined: Bools) -> Floats:
    """Return a ratio where it is defined, elsewhere NaN."""
    ratio = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=defined)
    return ratio


class Matched(NamedTuple):
    """An account whose daily returns are multiplied by a factor, at the end of each day, shape (days,)."""

    factor: float
    equity: Floats


def match_volatility(returns: Floats, benchmark: Floats) -> Matched | None:
    """Return the account with the volatility of a benchmark; None if one of them never varies.

    An account that loses everything on a day stays at 0.

    Args:
        returns: Daily returns of the account, shape (days,).
        benchmark: Daily returns of the benchmark, shape (days,).
    """
    if any(len(column) < _MIN_SAMPLE or np.ptp(column) <= _ROUNDING for column in (returns, benchmark)):
        return None
    with np.errstate(all="ignore"):  # absurd returns: no account
        factor = float(benchmark.std() / returns.std())
        equity: Floats = np.maximum(1 + factor * returns, 0.0).cumprod()
    return Matched(factor, equity) if math.isfinite(factor) else None


def histogram(values: Floats) -> Histogram | None:
    """Return the distribution of returns in bins of equal width, with an edge at 0 and an empty bin at both ends.

    It is None below two returns, and if all are 0, as those of an account that never traded.

    The width is that of Freedman and Diaconis, "On the histogram as a density estimator" (1981), limited to 60 bins.
    Few returns, of which it would be almost the range, have narrow bins.
    """
    if len(values) < _MIN_SAMPLE or not values.any():
        return None
    low, lower, upper, high = np.percentile(values, (0, 25, 75, 100))
    widest = (high - low) or max(abs(high), 1e-3)
    width = max(2 * (upper - lower) / np.cbrt(len(values)), widest / _MAX_BINS)
    if len(values) < _FEW:
        width = widest / _BINS_OF_FEW
    first = math.floor(low / width)
    edges = width * np.arange(first - 1, max(math.ceil(high / width), first + 1) + 2)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)  # the product may be below `high` by a bit
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "mean": float(values.mean()),
        "percentiles": np.percentile(values, _PERCENTILES).tolist(),
    }


class Falls(NamedTuple):
    """Every fall of an account from a peak, in order; columns of shape (falls,).

    Attributes:
        start: Open of the bar of the peak, ns UTC; of the first bar if the account never exceeded its start.
        trough: Open of the bar with the lowest value.
        end: Open of the bar that reached the peak again, or of the last bar.
        recovered: Whether the peak was reached again.
        depth: Loss from the peak to the trough, a fraction.
    """

    start: Ints
    trough: Ints
    end: Ints
    recovered: Bools
    depth: Floats

    @property
    def days(self) -> Floats:
        """Days from each peak to its recovery or the last bar, shape (falls,)."""
        days: Floats = (self.end - self.start) / DAY_NS
        return days


def falls(time: Ints, drawdown: Floats) -> Falls:
    """Return every fall of an account from a peak.

    Args:
        time: Open of each bar, ns UTC, shape (n,).
        drawdown: Loss from the highest value so far, a fraction, shape (n,).
    """
    below = np.concatenate([[False], drawdown > 0, [False]])
    first = np.flatnonzero(~below[:-1] & below[1:])  # first bar below the peak
    end = np.flatnonzero(below[:-1] & ~below[1:])  # first bar that is no longer, n if there is none
    trough = np.array([a + np.argmax(drawdown[a:b]) for a, b in zip(first, end, strict=True)], np.int64)
    last = len(time) - 1
    return Falls(
        time[np.maximum(first - 1, 0)], time[trough], time[np.minimum(end, last)], end <= last, drawdown[trough]
    )


def system_quality_number(net_return: Floats) -> float | None:
    """Return the mean of the trades over their deviation, times the root of their number (Van Tharp, 2008).

    It is undefined below two trades, and if all returns are equal.
    """
    if len(net_return) < _MIN_SAMPLE or net_return.min() == net_return.max():
        return None
    return float(net_return.mean() / net_return.std(ddof=1)) * math.sqrt(len(net_return))


def kelly_fraction(net_return: Floats) -> float | None:
    """Return the win rate minus the loss rate over the payoff ratio (Kelly, 1956); undefined without both outcomes."""
    gains, losses = net_return[net_return > 0], net_return[net_return < 0]
    if not len(gains) or not len(losses):
        return None
    win_rate = len(gains) / len(net_return)
    return win_rate - (1 - win_rate) * -float(losses.mean()) / float(gains.mean())


def alpha_beta(returns: Floats, benchmark: Floats) -> tuple[float | None, float | None]:
    """Return annualized alpha and beta of daily returns against a benchmark (Jensen, 1968), with a risk-free rate of 0.

    Both are undefined below two days and if the benchmark never moves; alpha also if it overflows.
    """
    if len(returns) < _MIN_SAMPLE or benchmark.min() == benchmark.max():
        return None, None
    deviations = benchmark - benchmark.mean()
    beta = float(np.dot(deviations, returns) / np.dot(deviations, deviations))
    excess = float(np.mean(returns - beta * benchmark))
    growth = DAYS_PER_YEAR * math.log1p(excess) if excess > -1 else -math.inf
    return (math.expm1(growth) if growth < math.log(sys.float_info.max) else None), beta
