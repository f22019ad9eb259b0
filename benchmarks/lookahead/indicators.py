"""Conditions shared by the strategies of the corpus."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_pipeline.engine.bars import Bars, Bools

HOUR_NS = 3600 * 10**9


def column(bars: Bars, name: str = "close") -> "pd.Series[float]":
    """Return a column as a pandas Series, as users have it."""
    return pd.Series(getattr(bars, name))


def above(bars: Bars, window: int, quick: int = 3) -> Bools:
    """Return where a fast mean is above a slow one."""
    close = column(bars)
    return np.asarray(close.rolling(quick).mean() > close.rolling(window).mean())


def rises(condition: Bools) -> Bools:
    """Return where a condition becomes true."""
    return condition & ~np.append(False, condition[:-1])


def cross(bars: Bars) -> Bools:
    """Return where a fast mean crosses above a slow one."""
    return rises(above(bars, 20, 5))


def returns(bars: Bars) -> npt.NDArray[np.float64]:
    """Return the change of the close, a fraction; 0 on the first bar."""
    return np.diff(bars.close, prepend=bars.close[0]) / bars.close


def volatility(bars: Bars) -> "pd.Series[float]":
    """Return the standard deviation of the last 20 returns."""
    return column(bars).pct_change().rolling(20).std()


def rises_next(bars: Bars) -> Bools:
    """Return where the next close is higher; what no strategy can know."""
    return np.append(np.diff(bars.close) > 0, False)


def falls_next(bars: Bars, by: float = 0.0) -> Bools:
    """Return where the next close is lower by more than a fraction."""
    return np.append(bars.close[1:] < (1 - by) * bars.close[:-1], False)


def scaled(values: "pd.Series[float]") -> "pd.Series[float]":
    """Return z-scores with the mean and deviation of the whole series."""
    return (values - values.mean()) / values.std()


def hour_of(bars: Bars) -> npt.NDArray[np.int64]:
    """Return the hour of the day, UTC."""
    return bars.time // HOUR_NS % 24


def day_of(bars: Bars) -> npt.NDArray[np.int64]:
    """Return the number of the day, UTC."""
    return bars.time // (24 * HOUR_NS)


def zigzag_lows(bars: Bars, reversal: float) -> Bools:
    """Mark the lows of a zigzag, each known only after a rise from it."""
    lows, low, falling, high = np.zeros(len(bars), bool), 0, True, bars.close[0]
    for i, close in enumerate(bars.close):
        if falling:
            low = i if close <= bars.close[low] else low
            if close > bars.close[low] * (1 + reversal):
                lows[low], falling, high = True, False, close
        else:
            high = max(high, close)
            if close < high * (1 - reversal):
                falling, low = True, i
    return lows
