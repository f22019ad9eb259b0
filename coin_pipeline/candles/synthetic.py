"""Candles of no market: seeded, plausible, and the same to the last bit on every machine."""

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, next_open
from coin_pipeline.candles.year_files.arrow import to_frame

_Floats = npt.NDArray[np.float64]

_START_PRICE = 50_000_000.0
_LOWEST, _HIGHEST = 1_000.0, 1e12
_DAILY_VOLATILITY = 0.025
_DAILY_VOLUME = 5_000.0
# Price steps like Upbit's in KRW: below each level its step, and the last step above them all.
_LEVELS = np.array([1e4, 1e5, 5e5, 1e6, 2e6])
_STEPS = np.array([1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0])


def synthetic_candles(seed: int, timeframe: Timeframe, start: date, bars: int) -> pd.DataFrame:
    """Return a random walk with volatility that comes in waves, wicks, price steps, and volume that follows moves.

    Only sums, products, square roots and comparisons are used, whose results IEEE 754 fixes, and the generator's raw
    bits, which NumPy promises to keep where it does not promise its distributions.

    Args:
        seed: Same seed, same candles; a longer series begins with the shorter one.
        timeframe: Length of a candle.
        start: Seoul day of the first candle.
        bars: Number of candles, without gaps.

    Returns:
        Columns timestamp (ns, UTC), open, high, low, close, volume (float64).
    """
    chance = _uniforms(seed, 12, bars)
    share_of_day = timeframe.ns / DAY_NS
    waves = 0.5 + 0.35 * _swing(chance[0], 96) ** 2 + 0.25 * _swing(chance[1], 12) ** 2
    volatility = _DAILY_VOLATILITY * np.sqrt(share_of_day) * waves
    shock = (chance[2] + chance[3] + chance[4] + chance[5] - 2.0) * np.sqrt(3.0)
    close = _walk(volatility, shock)
    open_ = np.concatenate(([_START_PRICE], close[:-1]))[:bars]
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    high = top + _wick(top, volatility * chance[6] * chance[7])
    low = bottom - _wick(bottom, volatility * chance[8] * chance[9])
    volume = _DAILY_VOLUME * share_of_day * (0.3 + shock * shock * waves) * (0.5 + chance[10]) / (0.5 + chance[11])
    begin, _ = day_range(start, start)
    time = next_open(begin, timeframe.phase_ns, timeframe) + timeframe.ns * np.arange(bars, dtype=np.int64)
    return to_frame(OHLCV(time, open_, high, low, close, np.round(volume, 8)))


def _uniforms(seed: int, rows: int, columns: int) -> _Floats:
    """Return numbers evenly spread over [0, 1), shape (rows, columns), drawn column by column."""
    raw = np.random.PCG64(seed).random_raw(rows * columns).reshape(columns, rows)
    uniform: _Floats = np.ascontiguousarray((raw >> np.uint64(11)).T, dtype=np.float64) * 2.0**-53
    return uniform


def _swing(uniform: _Floats, window: int) -> _Floats:
    """Return the sum of the last `window` draws, scaled to a mean of 0 and a variance of 1."""
    total = np.concatenate(([0.0], np.cumsum(uniform - 0.5)))
    end = np.arange(1, len(total))
    swing: _Floats = (total[end] - total[np.maximum(end - window, 0)]) * np.sqrt(12.0 / window)
    return swing


def _walk(volatility: _Floats, shock: _Floats) -> _Floats:
    """Return closes whose steps are shocks times volatility, on the price steps."""
    growth = 1.0 + volatility * shock + 0.5 * volatility * volatility  # the last term keeps the median flat
    price = np.clip(_START_PRICE * np.cumprod(np.maximum(growth, 0.5)), _LOWEST, _HIGHEST)
    step = _step(price)
    rounded: _Floats = np.rint(price / step) * step
    return rounded


def _wick(price: _Floats, share: _Floats) -> _Floats:
    """Return a part of the price, at most half of it, in whole price steps."""
    step = _step(price)
    return np.floor(price * np.minimum(share, 0.5) / step) * step


def _step(price: _Floats) -> _Floats:
    return _STEPS[np.searchsorted(_LEVELS, price, side="right")]
