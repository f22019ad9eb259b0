"""Synthetic candles: seeded, plausible, and bit-identical on every machine."""

from datetime import date

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, next_open

_Floats = npt.NDArray[np.float64]

_START_PRICE = 50_000_000.0
_MIN_PRICE, _MAX_PRICE = 1_000.0, 1e12
_DAILY_VOLATILITY = 0.025
_DAILY_VOLUME = 5_000.0
# Price steps similar to Upbit's KRW market: the step below each level, then the step above the last level.
_LEVELS = np.array([1e4, 1e5, 5e5, 1e6, 2e6])
_STEPS = np.array([1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0])


def synthetic_candles(seed: int, timeframe: Timeframe, start: date, bars: int) -> OHLCV:
    """Return a random walk with clustered volatility, wicks, price steps, and volume that follows price moves.

    The result is reproducible to the last bit: it uses only operations whose results IEEE 754 defines, and the
    generator's raw bits, which NumPy guarantees to keep stable, unlike its distributions.

    Args:
        seed: The same seed gives the same candles; a longer series starts with the shorter one.
        timeframe: Length of a candle.
        start: Seoul day of the first candle.
        bars: Number of candles, without gaps.

    >>> from coin_pipeline.candles.timeframe import parse_timeframe
    >>> synthetic_candles(1, parse_timeframe("1d"), date(2024, 1, 1), bars=2).open.tolist()
    [50000000.0, 49800000.0]
    """
    draws = _uniforms(seed, 12, bars)
    share_of_day = timeframe.ns / DAY_NS
    clusters = 0.5 + 0.35 * _moving_sum(draws[0], 96) ** 2 + 0.25 * _moving_sum(draws[1], 12) ** 2
    volatility = _DAILY_VOLATILITY * np.sqrt(share_of_day) * clusters
    shock = (draws[2] + draws[3] + draws[4] + draws[5] - 2.0) * np.sqrt(3.0)
    close = _random_walk(volatility, shock)
    open_ = np.concatenate(([_START_PRICE], close[:-1]))[:bars]
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    high = top + _wick(top, volatility * draws[6] * draws[7])
    low = bottom - _wick(bottom, volatility * draws[8] * draws[9])
    volume = _DAILY_VOLUME * share_of_day * (0.3 + shock * shock * clusters) * (0.5 + draws[10]) / (0.5 + draws[11])
    begin, _ = day_range(start, start)
    time = next_open(begin, timeframe.phase_ns, timeframe) + timeframe.ns * np.arange(bars, dtype=np.int64)
    return OHLCV(time, open_, high, low, close, np.round(volume, 8))


def _uniforms(seed: int, rows: int, columns: int) -> _Floats:
    """Return uniform numbers in [0, 1), shape (rows, columns), drawn column by column."""
    raw = np.random.PCG64(seed).random_raw(rows * columns).reshape(columns, rows)
    uniform: _Floats = np.ascontiguousarray((raw >> np.uint64(11)).T, dtype=np.float64) * 2.0**-53
    return uniform


def _moving_sum(uniform: _Floats, window: int) -> _Floats:
    """Return the sum of the last `window` draws, scaled to a mean of 0 and a variance of 1."""
    total = np.concatenate(([0.0], np.cumsum(uniform - 0.5)))
    end = np.arange(1, len(total))
    scaled: _Floats = (total[end] - total[np.maximum(end - window, 0)]) * np.sqrt(12.0 / window)
    return scaled


def _random_walk(volatility: _Floats, shock: _Floats) -> _Floats:
    """Return closes whose returns are shocks times volatility, rounded to price steps."""
    growth = 1.0 + volatility * shock + 0.5 * volatility * volatility  # the last term keeps the median flat
    price = np.clip(_START_PRICE * np.cumprod(np.maximum(growth, 0.5)), _MIN_PRICE, _MAX_PRICE)
    step = _step(price)
    rounded: _Floats = np.rint(price / step) * step
    return rounded


def _wick(price: _Floats, share: _Floats) -> _Floats:
    """Return a share of the price, at most half of it, in whole price steps."""
    step = _step(price)
    return np.floor(price * np.minimum(share, 0.5) / step) * step


def _step(price: _Floats) -> _Floats:
    return _STEPS[np.searchsorted(_LEVELS, price, side="right")]
