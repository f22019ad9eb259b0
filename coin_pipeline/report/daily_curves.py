"""Curves of a report with a value per day: rolling figures, and equity at the volatility of buying and holding."""

import numpy as np

from coin_pipeline.candles.timeframe import SECOND_NS
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.metrics import bar_returns
from coin_pipeline.report.packing import FRACTION_DECIMALS, pack
from coin_pipeline.report.payload import Column, DailyCurves, MatchedEquity, Rolling
from coin_pipeline.report.statistics import (
    Daily,
    match_volatility,
    rolling_beta,
    rolling_sharpe,
    rolling_sortino,
    rolling_volatility,
)

_WINDOWS = (180, 90, 30)
"""Days of the rolling figures: the first that fits twice into the range."""
_ROLLING_DECIMALS = 4


def daily_curves(daily: Daily) -> DailyCurves:
    """Return the curves of an account per day.

    Args:
        daily: The account at the end of each day.
    """
    time, rows = np.unique(daily.last_bar, return_index=True)  # days without a bar have the one before
    held = None if daily.buy_and_hold is None else bar_returns(daily.buy_and_hold)
    return {
        "time": pack(time // SECOND_NS),
        "matched": None if held is None else _matched(daily.returns, held, rows),
        "rolling": _rolling(daily.returns, held, rows),
    }


def _matched(returns: Floats, held: Floats, rows: Ints) -> MatchedEquity | None:
    matched = match_volatility(returns, held)
    return matched and {"factor": matched.factor, "equity": pack(matched.equity[rows], FRACTION_DECIMALS)}


def _rolling(returns: Floats, held: Floats | None, rows: Ints) -> Rolling | None:
    """Return the rolling figures on some days, from the returns of all days."""
    window = next((days for days in _WINDOWS if len(returns) >= 2 * days), None)
    if window is None:
        return None

    def on_rows(values: Floats) -> Column:
        return pack(values[rows], _ROLLING_DECIMALS)

    return {
        "window_days": window,
        "sharpe": on_rows(rolling_sharpe(returns, window)),
        "sortino": on_rows(rolling_sortino(returns, window)),
        "volatility": on_rows(rolling_volatility(returns, window)),
        "beta": None if held is None else on_rows(rolling_beta(returns, held, window)),
    }
