"""Honest strategies, among them those that a careless check would reject."""

import functools
from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal

from benchmarks.lookahead.cheats import Rule, exits, plain
from benchmarks.lookahead.indicators import above, column, cross, day_of, hour_of, returns, rises, volatility
from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.signals import Signals


def ema(bars: Bars, span: int) -> "pd.Series[float]":
    """Return an exponential mean."""
    return column(bars).ewm(span=span, adjust=False).mean()


def rsi(bars: Bars, window: int) -> "pd.Series[float]":
    """Return Wilder's relative strength index."""
    change = column(bars).diff()
    gain, loss = change.clip(lower=0), -change.clip(upper=0)
    ratio = gain.ewm(alpha=1 / window).mean() / loss.ewm(alpha=1 / window).mean()
    return 100 - 100 / (1 + ratio)


def true_range(bars: Bars) -> "pd.Series[float]":
    """Return the true range."""
    before = column(bars).shift(1)
    return pd.concat([column(bars, "high") - column(bars, "low"), (column(bars, "high") - before).abs()], axis=1).max(
        axis=1
    )


def vwap(bars: Bars) -> "pd.Series[float]":
    """Return the mean price of the day so far, weighted by volume."""
    traded = (column(bars) * bars.volume).groupby(day_of(bars)).cumsum()
    return traded / column(bars, "volume").groupby(day_of(bars)).cumsum()


def stateful(bars: Bars) -> Signals:
    """Buy only while no position is held, with its own stop: state is carried from bar to bar."""
    entries, sells, paid = np.zeros(len(bars), bool), np.zeros(len(bars), bool), 0.0
    for i in range(1, len(bars)):
        if not paid and bars.close[i] > 1.001 * bars.close[i - 1]:
            entries[i], paid = True, bars.close[i]
        elif paid and not 0.98 * paid < bars.close[i] < 1.03 * paid:
            sells[i], paid = True, 0.0
    return Signals(entries, sells)


def kalman(bars: Bars) -> Bools:
    """Follow the close with a Kalman filter of two parameters."""
    level, variance, out = bars.close[0], 1.0, np.zeros(len(bars), bool)
    for i, close in enumerate(bars.close):
        variance += 0.01
        gain = variance / (variance + 1)
        out[i] = close > level
        level, variance = level + gain * (close - level), (1 - gain) * variance
    return out


def online(bars: Bars) -> Bools:
    """Learn a regression bar by bar, deciding before each update."""
    change, weights, out = returns(bars) * 100, np.zeros(3), np.zeros(len(bars), bool)
    for i in range(3, len(bars)):
        known = change[i - 3 : i]
        weights += 0.01 * (change[i] - known @ weights) * known
        out[i] = change[i - 2 : i + 1] @ weights > 0
    return out


def walk_forward(bars: Bars) -> Bools:
    """Fit a regression every 50 bars on the 100 bars before, with targets that are known by then."""
    change, out = returns(bars), np.zeros(len(bars), bool)
    for start in range(103, len(bars), 50):
        rows = np.arange(start - 100, start)
        past = np.column_stack([change[rows - 1], change[rows - 2]])
        weights = np.linalg.lstsq(past, change[rows], rcond=None)[0]
        now = np.arange(start, min(start + 50, len(bars)))
        out[now] = np.column_stack([change[now], change[now - 1]]) @ weights > 0
    return out


def higher_timeframe(bars: Bars) -> Bools:
    """Compare with the last complete ten-bar candle."""
    period = bars.time // (10 * max(int(np.diff(bars.time[:2]).sum()), 1))
    last = column(bars).groupby(period).last()
    return np.asarray(bars.close > last.shift(1).reindex(period).to_numpy())


def confirmed_pivot(bars: Bars) -> Bools:
    """Mark lows of five bars two bars later, when they are known."""
    low = column(bars, "low")
    return np.asarray((low == low.rolling(5, center=True).min()).shift(2, fill_value=False))


def confirmed_zigzag(bars: Bars) -> Bools:
    """Mark the bar on which a low of a zigzag becomes known."""
    out, low, high, falling = np.zeros(len(bars), bool), bars.close[0], bars.close[0], True
    for i, close in enumerate(bars.close):
        if falling:
            low = min(low, close)
            if close > 1.01 * low:
                out[i], falling, high = True, False, close
        else:
            high = max(high, close)
            if close < 0.99 * high:
                falling, low = True, close
    return out


def fft_mean(bars: Bars) -> Bools:
    """Compare with a causal mean by FFT, whose last bits depend on later bars."""
    mean = signal.fftconvolve(bars.close, np.ones(30) / 30)[: len(bars)]
    entries = bars.close >= mean
    entries[:30] = False
    return np.asarray(entries)


def numpy_fft_mean(bars: Bars) -> Bools:
    """Compare with a causal mean of volumes by numpy's FFT."""
    size = 2 * len(bars)
    spectrum = np.fft.rfft(bars.close, size) * np.fft.rfft(np.ones(10) / 10, size)
    entries = bars.close >= np.fft.irfft(spectrum, size)[: len(bars)]
    entries[:10] = False
    return np.asarray(entries)


def matrix_mean(bars: Bars) -> Bools:
    """Compare with a mean by a matrix product, whose last bits depend on the number of rows."""
    entries = np.zeros(len(bars), bool)
    if len(bars) >= 20:
        windows = np.lib.stride_tricks.sliding_window_view(bars.close, 20)
        entries[19:] = bars.close[19:] >= windows @ np.full(20, 1 / 20)
    return entries


@numba.njit
def compiled_breakout(high: Floats, close: Floats, window: int) -> Bools:
    """Return where the close exceeds the highs of the window before."""
    out = np.zeros(len(close), np.bool_)
    for i in range(window, len(close)):
        out[i] = close[i] > high[i - window : i].max()
    return out


class Cached:
    """Caches a mean by the content of the candles."""

    def __init__(self) -> None:
        self.cache: dict[bytes, Bools] = {}

    def __call__(self, bars: Bars) -> Signals:
        """Compute once per content."""
        key = bars.close.tobytes()
        if key not in self.cache:
            self.cache[key] = above(bars, 30)
        return Signals(self.cache[key], hold=3)


class Buffered:
    """Writes its decisions into one buffer."""

    def __init__(self) -> None:
        self.buffer = np.zeros(0, bool)

    def __call__(self, bars: Bars) -> Signals:
        """Reuse the buffer."""
        if len(self.buffer) < len(bars):
            self.buffer = np.zeros(len(bars), bool)
        out = self.buffer[: len(bars)]
        np.greater(bars.close, bars.open, out=out)
        return Signals(out, hold=2)


class Logging:
    """Counts its calls."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, bars: Bars) -> Signals:
        """Decide as any crossing."""
        self.lengths.append(len(bars))
        return Signals(cross(bars), hold=3)


class SeededOnce:
    """Draws from a generator that is created once."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)

    def __call__(self, bars: Bars) -> Signals:
        """Enter at random."""
        return Signals(self.random.random(len(bars)) < 0.1, hold=3)


class LazyConstants:
    """Computes constants at the first call."""

    weights: npt.NDArray[np.float64] | None = None

    def __call__(self, bars: Bars) -> Signals:
        """Compare with a weighted mean."""
        if self.weights is None:
            self.weights = np.arange(1, 11) / 55
        mean = np.convolve(bars.close, self.weights[::-1])[: len(bars)]
        return Signals(rises(np.arange(len(bars)) >= 10) | rises(bars.close > mean), hold=3)


@functools.cache
def weights_of(window: int) -> npt.NDArray[np.float64]:
    """Return the weights of a linear mean."""
    return np.arange(1, window + 1) / (window * (window + 1) / 2)


def linear(bars: Bars) -> Bools:
    """Compare with a linearly weighted mean, whose weights are cached."""
    mean = np.convolve(bars.close, weights_of(15)[::-1])[: len(bars)]
    return np.asarray((bars.close > mean) & (np.arange(len(bars)) >= 15))


def seeded(bars: Bars) -> Bools:
    """Draw one number per bar with a seed."""
    return np.asarray(np.random.default_rng(3).random(len(bars)) < 0.05)


def by_time(bars: Bars) -> Bools:
    """Draw one number per bar from its time."""
    return np.asarray((bars.time // 10**9 * 2654435761) % 97 < 5)


def measured_hold(bars: Bars) -> Signals:
    """Derive the hold from the first 200 bars, and enter only after them."""
    entries = cross(bars) & (np.arange(len(bars)) >= 200)
    return Signals(entries, hold=1 + int(abs(returns(bars)[:200]).mean() * 1000))


def needs_many(bars: Bars) -> Signals:
    """Fail on fewer bars than its window."""
    highs = np.lib.stride_tricks.sliding_window_view(bars.high, 100)
    entries = np.zeros(len(bars), bool)
    entries[100:] = bars.close[100:] > highs[:-1].max(axis=1)
    return Signals(entries, hold=5)


def drawdown(bars: Bars) -> Bools:
    """Buy 10 % below the highest close so far."""
    return rises(bars.close < 0.9 * np.maximum.accumulate(bars.close))


def grid(bars: Bars) -> Bools:
    """Buy on each new grid line below the last one bought."""
    entries, line = np.zeros(len(bars), bool), bars.close[0]
    for i, close in enumerate(bars.close):
        if close < 0.995 * line:
            entries[i], line = True, close
        elif close > 1.01 * line:
            line = close
    return entries


HONEST: dict[str, Callable[[], Rule]] = {
    "crossing": plain(cross),
    "crossing with exits": exits(lambda b: rises(~above(b, 20, 5))),
    "mean of 50": plain(lambda b: rises(above(b, 50))),
    "mean of 200": plain(lambda b: rises(above(b, 200, 20))),
    "EMA 12": plain(lambda b: b.close > ema(b, 12)),
    "EMA 200": plain(lambda b: rises((b.close > ema(b, 200)).to_numpy())),
    "MACD": plain(lambda b: (d := ema(b, 12) - ema(b, 26)) > d.ewm(span=9, adjust=False).mean()),
    "ewm, adjusted": plain(lambda b: column(b).ewm(span=20).mean() > b.close),
    "RSI": plain(lambda b: rsi(b, 14) < 30),
    "RSI exits": exits(lambda b: rsi(b, 14) > 70),
    "Bollinger": plain(lambda b: b.close < column(b).rolling(20).mean() - 2 * column(b).rolling(20).std()),
    "Donchian": plain(lambda b: b.close > column(b, "high").rolling(20).max().shift(1)),
    "Donchian, 200 bars": plain(lambda b: b.close > column(b, "high").rolling(200).max().shift(1)),
    "ATR breakout": plain(lambda b: b.close > column(b).shift(1) + true_range(b).rolling(14).mean()),
    "Keltner": plain(lambda b: b.close > ema(b, 20) + 1.5 * true_range(b).ewm(span=20).mean()),
    "stochastic": plain(
        lambda b: (
            (b.close - (low := column(b, "low").rolling(14).min())) < 0.2 * (column(b, "high").rolling(14).max() - low)
        )
    ),
    "OBV": plain(lambda b: (o := (np.sign(column(b).diff()) * b.volume).cumsum()) > o.rolling(20).mean()),
    "VWAP of a day": plain(
        lambda b: (
            b.close
            > (column(b) * b.volume).groupby(day_of(b)).cumsum() / column(b, "volume").groupby(day_of(b)).cumsum()
        )
    ),
    "CCI": plain(lambda b: (column(b) - column(b).rolling(20).mean()) / column(b).rolling(20).std() < -1.5),
    "expanding z-score": plain(
        lambda b: (column(b) - column(b).expanding(30).mean()) / column(b).expanding(30).std() < -1
    ),
    "expanding quantile": plain(lambda b: column(b) < column(b).expanding(20).quantile(0.2)),
    "expanding rank": plain(lambda b: column(b).expanding(20).rank(pct=True) < 0.2),
    "rolling quantile": plain(lambda b: column(b) < column(b).rolling(50).quantile(0.1)),
    "rolling rank": plain(lambda b: column(b).rolling(50).rank(pct=True) > 0.9),
    "rolling skew": plain(lambda b: column(b).pct_change().rolling(30).skew() > 0.5),
    "rolling correlation": plain(lambda b: column(b).rolling(30).corr(column(b, "volume")) > 0.3),
    "highest so far": plain(lambda b: b.close >= np.maximum.accumulate(b.close)),
    "drawdown so far": plain(drawdown),
    "mean so far": plain(lambda b: b.close < np.cumsum(b.close) / np.arange(1, len(b) + 1)),
    "volume spike": plain(lambda b: b.volume > 3 * column(b, "volume").rolling(20).mean()),
    "low volatility": plain(lambda b: volatility(b) < 0.8 * volatility(b).rolling(100).mean()),
    "three rises": plain(lambda b: column(b).diff().gt(0).rolling(3).sum() == 3),
    "inside bar": plain(lambda b: (b.high < column(b, "high").shift(1)) & (b.low > column(b, "low").shift(1))),
    "hammer": plain(lambda b: (np.minimum(b.open, b.close) - b.low) > 2 * np.abs(b.close - b.open)),
    "gap": plain(lambda b: b.open > 1.0005 * column(b).shift(1)),
    "momentum": plain(lambda b: column(b).pct_change(10) > 0.01),
    "hour of day": plain(lambda b: hour_of(b) == 9 if len(b) > 1 else np.zeros(len(b), bool)),
    "day of week": plain(lambda b: day_of(b) % 7 == 3),
    "first of the month": plain(lambda b: pd.to_datetime(pd.Series(b.time)).dt.day == 1),
    "month and crossing": plain(lambda b: cross(b) & (pd.to_datetime(pd.Series(b.time)).dt.month % 2 == 0).to_numpy()),
    "every 500th bar": plain(lambda b: b.time // 60_000_000_000 % 500 == 0),
    "always": plain(lambda b: np.ones(len(b), bool)),
    "never": plain(lambda b: np.zeros(len(b), bool)),
    "stateful": lambda: stateful,
    "grid": plain(grid),
    "Kalman": plain(kalman),
    "online regression": plain(online),
    "walk forward": plain(walk_forward),
    "complete longer candle": plain(higher_timeframe),
    "confirmed pivot": plain(confirmed_pivot),
    "confirmed zigzag": plain(confirmed_zigzag),
    "lfilter": plain(lambda b: signal.lfilter(*signal.butter(2, 0.1), b.close - b.close[0]) + b.close[0] > b.close),
    "FFT mean, scipy": plain(fft_mean),
    "FFT mean, numpy": plain(numpy_fft_mean),
    "matrix mean": plain(matrix_mean),
    "convolve": plain(linear),
    "numba": plain(lambda b: compiled_breakout(b.high, b.close, 20)),
    "cache by content": Cached,
    "buffer": Buffered,
    "counts calls": Logging,
    "lazy constants": LazyConstants,
    "seeded once": SeededOnce,
    "seeded": plain(seeded),
    "random by time": plain(by_time),
    "measured hold": lambda: measured_hold,
    "fails on few bars": lambda: needs_many,
    "hold of 1": plain(cross, hold=1),
    "hold of 100": plain(cross, hold=100),
}
