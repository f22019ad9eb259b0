"""Strategies that look ahead, by the mistake they make. Each entry creates a new rule, with whatever state it keeps."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal

from benchmarks.lookahead.indicators import (
    above,
    column,
    cross,
    day_of,
    falls_next,
    hour_of,
    returns,
    rises,
    rises_next,
    scaled,
    volatility,
    zigzag_lows,
)
from coin_pipeline.engine.bars import Bars, Bools
from coin_pipeline.engine.signals import Signals

Rule = Callable[[Bars], Signals]
STORE: dict[int, bool] = {}
FITTED: dict[str, Any] = {}


def plain(entries: Callable[[Bars], npt.ArrayLike], hold: int = 3) -> Callable[[], Rule]:
    """Return the factory of a rule without state that enters where a condition is true."""
    return lambda: lambda bars: Signals(np.asarray(entries(bars), dtype=bool), hold=hold)


def exits(condition: Callable[[Bars], npt.ArrayLike]) -> Callable[[], Rule]:
    """Return the factory of a rule that enters on a crossing and exits where a condition is true."""
    return lambda: lambda bars: Signals(cross(bars), np.asarray(condition(bars), dtype=bool))


def rare(every: int) -> Callable[[Bars], Bools]:
    """Return a condition that is true on one bar in ``every``, by time."""
    return lambda bars: (bars.time // max(int(np.diff(bars.time[:2]).sum()), 1)) % every == 0


def mixed(honest: Callable[[Bars], npt.ArrayLike], where: Callable[[Bars], npt.ArrayLike]) -> Callable[[], Rule]:
    """Return the factory of an honest rule that knows the next close where a condition is true."""
    return plain(
        lambda bars: np.where(np.asarray(where(bars), dtype=bool), rises_next(bars), np.asarray(honest(bars), bool))
    )


def hold_of(value: float) -> int:
    """Return a longer hold in a rising market."""
    return 20 if value > 0 else 5


class FitOnce:
    """Fits a table on the first candles that it is ever called with."""

    table: dict[int, bool] | None = None

    def __call__(self, bars: Bars) -> Signals:
        """Look the rises up."""
        keys = np.round(1e5 * np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))).astype(np.int64).tolist()
        if self.table is None:
            self.table = dict(zip(keys, rises_next(bars).tolist(), strict=True))
        return Signals(np.array([self.table.get(key, False) for key in keys]), hold=1)


class FitOnClass:
    """Fits a level once and keeps it on the class."""

    level: float | None = None

    def __call__(self, bars: Bars) -> Signals:
        """Buy below the level."""
        if FitOnClass.level is None:
            FitOnClass.level = float(np.median(bars.close))
        return Signals(bars.close < FitOnClass.level, hold=5)


def remembered_by_time(bars: Bars) -> Signals:
    """Keep decisions by time stamp in a global."""
    for time, rise in zip(bars.time.tolist(), rises_next(bars).tolist(), strict=True):
        STORE.setdefault(time, rise)
    return Signals(np.array([STORE[time] for time in bars.time.tolist()]), hold=1)


def longest_in_global(bars: Bars) -> Signals:
    """Keep the decisions on the longest series, and answer shorter ones from it."""
    if len(bars) > len(FITTED.get("longest", ())):
        FITTED["longest"] = rises_next(bars)
    return Signals(FITTED["longest"][: len(bars)].copy(), hold=1)


def closure() -> Rule:
    """Fit the quantiles once, in a closure."""
    limits: list[float] = []

    def rule(bars: Bars) -> Signals:
        if not limits:
            limits.extend(np.quantile(bars.close, [0.2, 0.8]).tolist())
        return Signals(bars.close < limits[0], bars.close > limits[1])

    return rule


class CachedMethod:
    """Caches by the symbol alone."""

    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033 -- the mistake under test
    def limit(self, _symbol: str) -> float:
        """Return a limit of the candles at hand."""
        return float(column(self.bars).quantile(0.3))

    def __call__(self, bars: Bars) -> Signals:
        """Buy below the limit."""
        self.bars = bars
        return Signals(bars.close < self.limit("BTC"), hold=5)


def with_default() -> Rule:
    """Fit once, in a default argument."""

    def rule(bars: Bars, memory: dict[str, float] = {}) -> Signals:  # noqa: B006 -- the mistake under test
        memory.setdefault("mean", float(bars.close.mean()))
        return Signals(bars.close < memory["mean"], hold=5)

    return rule


class TimeOfDay:
    """Learns once which hours of the day, or days of the week, were good."""

    good: Bools | None = None

    def __call__(self, bars: Bars) -> Signals:
        """Buy before the good ones."""
        hour = hour_of(bars) if len(set(hour_of(bars)[:48])) > 1 else day_of(bars) % 7
        if self.good is None:
            means = column(bars).pct_change().shift(-1).groupby(hour).mean().reindex(range(24)).fillna(0)
            self.good = (means > 0).to_numpy()
        return Signals(self.good[hour], hold=1)


class Model:
    """Trains a regression once, on all candles."""

    weights: npt.NDArray[np.float64] | None = None

    def __call__(self, bars: Bars) -> Signals:
        """Buy on a positive forecast."""
        past = np.column_stack([np.roll(returns(bars), k) for k in range(5)])
        past[:5] = 0
        if self.weights is None:
            target = np.append(returns(bars)[1:], 0)
            self.weights = np.linalg.lstsq(past, target, rcond=None)[0]
        return Signals(past @ self.weights > 0, hold=1)


def trained_on_all(bars: Bars) -> Signals:
    """Train on all candles in every call."""
    past = np.column_stack([np.roll(returns(bars), k) for k in range(5)])
    past[:5] = 0
    weights = np.linalg.lstsq(past, np.append(returns(bars)[1:], 0), rcond=None)[0]
    return Signals(past @ weights > 0, hold=1)


def best_window(bars: Bars) -> Signals:
    """Choose the window that would have earned most on these candles."""
    gains = {w: float(np.sum(np.append(returns(bars)[1:], 0)[above(bars, w)])) for w in (5, 10, 20, 40)}
    return Signals(above(bars, max(gains, key=lambda w: gains[w])), hold=1)


def daily(bars: Bars) -> "pd.DataFrameGroupBy[Any, Any]":
    """Group closes by ten-bar periods of time."""
    period = bars.time // (10 * max(int(np.diff(bars.time[:2]).sum()), 1))
    return column(bars).groupby(period)


def resampled(bars: Bars) -> Bools:
    """Label a longer candle by its start, so that its close is known from its first bar."""
    last = daily(bars).transform("last").to_numpy()
    return np.asarray(last > bars.open)


def fft_filter(bars: Bars) -> npt.NDArray[np.float64]:
    """Remove high frequencies from the whole series."""
    spectrum = np.fft.rfft(bars.close)
    spectrum[len(spectrum) // 20 + 1 :] = 0
    return np.asarray(np.fft.irfft(spectrum, len(bars.close)))


def extrema(bars: Bars, order: int) -> Bools:
    """Mark lows that are the lowest of ``order`` bars on both sides."""
    lows = np.zeros(len(bars), bool)
    lows[signal.argrelextrema(bars.low, np.less_equal, order=order)[0]] = True
    return lows


def last_half(bars: Bars) -> Bools:
    """Return where it is later than a fixed date, two fifths into the corpus' series."""
    return np.asarray(bars.time > LATER.get(int(np.diff(bars.time[:2]).sum()), 0))


LATER: dict[int, int] = {}
"""The date by length of a candle, set when the corpus is built."""

CHEATS: dict[str, Callable[[], Rule]] = {
    "next close": plain(rises_next),
    "next close, shift(-1)": plain(lambda b: column(b).shift(-1) > b.close),
    "next open": plain(lambda b: column(b, "open").shift(-1) > b.open),
    "next volume": plain(lambda b: column(b, "volume").shift(-1) > column(b, "volume")),
    "next high": plain(lambda b: column(b, "high").shift(-1) > 1.001 * b.high),
    "close in 5 bars": plain(lambda b: cross(b) & (column(b).shift(-5) > b.close).to_numpy()),
    "close in 24 bars": plain(lambda b: cross(b) & (column(b).shift(-24) > b.close).to_numpy()),
    "mean of the next 10 closes": plain(lambda b: column(b)[::-1].rolling(10).mean()[::-1] > b.close),
    "centred mean": plain(lambda b: column(b).rolling(11, center=True).mean() > b.close),
    "centred minimum": plain(lambda b: column(b).rolling(5, center=True).min() == b.close),
    "centred, min_periods": plain(lambda b: column(b).rolling(21, center=True, min_periods=1).median() > b.close),
    "np.roll": plain(lambda b: np.roll(b.close, -1) > b.close),
    "np.gradient": plain(lambda b: np.gradient(b.close) > 0),
    "convolve same": plain(lambda b: np.convolve(b.close, np.ones(9) / 9, "same") > b.close),
    "savgol": plain(lambda b: signal.savgol_filter(b.close, 11, 2) > b.close),
    "filtfilt": plain(lambda b: signal.filtfilt(*signal.butter(2, 0.1), b.close) > b.close),
    "FFT filter": plain(lambda b: fft_filter(b) > b.close),
    "hilbert": plain(lambda b: np.imag(signal.hilbert(b.close - b.close[0])) > 0),
    "detrend": plain(lambda b: signal.detrend(np.log(b.close)) < 0),
    "polyfit": plain(
        lambda b: np.polyval(np.polyfit(np.arange(len(b)), np.log(b.close), 2), np.arange(len(b))) > np.log(b.close)
    ),
    "argrelextrema": plain(lambda b: extrema(b, 5)),
    "argrelextrema, 20 bars": plain(lambda b: extrema(b, 20)),
    "find_peaks": exits(lambda b: np.isin(np.arange(len(b)), signal.find_peaks(b.high, distance=10)[0])),
    "zigzag": plain(lambda b: zigzag_lows(b, 0.01)),
    "ewm backwards": plain(lambda b: column(b)[::-1].ewm(span=10).mean()[::-1] > b.close),
    "lowest of all": plain(lambda b: b.close <= 1.02 * b.close.min()),
    "highest of all": exits(lambda b: b.close >= 0.98 * b.close.max()),
    "mean of all": plain(lambda b: b.close < b.close.mean()),
    "median of all": plain(lambda b: b.close < np.median(b.close)),
    "z-score of all": plain(lambda b: scaled(column(b)) < -1),
    "z-score of returns": plain(lambda b: scaled(column(b).pct_change()) < -2),
    "volume against all": plain(lambda b: scaled(column(b, "volume")) > 1),
    "quantile of all": plain(lambda b: column(b) < column(b).quantile(0.2)),
    "quantile of volatility": plain(lambda b: cross(b) & (volatility(b) > volatility(b).quantile(0.7)).to_numpy()),
    "rank of all": plain(lambda b: column(b).rank(pct=True) < 0.2),
    "minmax of all": plain(lambda b: (b.close - b.close.min()) / (b.close.max() - b.close.min() + 1e-9) < 0.2),
    "qcut": plain(lambda b: pd.qcut(column(b).rank(method="first"), 5, labels=False) == 0),
    "sorted": plain(lambda b: np.isin(b.close, np.sort(b.close)[: len(b) // 10 + 1])),
    "against the last close": plain(lambda b: b.close < 0.98 * b.close[-1]),
    "volume against the last": plain(lambda b: b.volume > 3 * b.volume[-20:].mean()),
    "cumulative from the end": plain(lambda b: np.minimum.accumulate(b.low[::-1])[::-1] >= b.low),
    "bfill": plain(lambda b: column(b).where(cross(b)).bfill() > b.close),
    "interpolate": plain(lambda b: column(b).where(np.arange(len(b)) % 10 == 0).interpolate() > b.close),
    "resample label": plain(resampled),
    "period maximum": plain(lambda b: daily(b).transform("max").to_numpy() == b.close),
    "period mean": plain(lambda b: daily(b).transform("mean").to_numpy() > b.close),
    "trained on all": lambda: trained_on_all,
    "best window of all": lambda: best_window,
    "fit once, instance": FitOnce,
    "fit once, class": FitOnClass,
    "fit once, closure": closure,
    "fit once, lru_cache": CachedMethod,
    "fit once, default argument": with_default,
    "fit once, model": Model,
    "time of day, once": TimeOfDay,
    "by time stamp, global": lambda: remembered_by_time,
    "longest series, global": lambda: longest_in_global,
    "exits before falls": exits(falls_next),
    "exits before rare falls": exits(lambda b: falls_next(b, 0.01)),
    "exits with a veto": exits(lambda b: rises(~above(b, 20)) & falls_next(b)),
    "veto of the next low": plain(lambda b: cross(b) & ~(column(b, "low").shift(-1) < 0.998 * b.close).to_numpy()),
    "veto of rare falls": plain(lambda b: cross(b) & ~falls_next(b, 0.01)),
    "veto of the next day": plain(
        lambda b: cross(b) & ~(column(b, "low").rolling(24).min().shift(-24) < 0.98 * b.close).to_numpy()
    ),
    "veto of non-entries": plain(lambda b: ~cross(b) & ~falls_next(b, 0.003), hold=1),
    "hold by all returns": lambda: lambda b: Signals(cross(b), hold=hold_of(returns(b).mean())),
    "hold by later returns": lambda: (
        lambda b: Signals(cross(b), hold=hold_of(float((column(b).shift(-10) / b.close - 1).mean())))
    ),
    "hold by the number of bars": lambda: lambda b: Signals(cross(b), hold=max(1, len(b) // 10)),
    "not at the end": plain(lambda b: cross(b) & (np.arange(len(b)) < len(b) - 30)),
    "after a date": mixed(cross, last_half),
    "in high volatility": mixed(cross, lambda b: volatility(b) > 2 * volatility(b).rolling(200, min_periods=5).mean()),
    "on high volume": mixed(cross, lambda b: b.volume > 5 * column(b, "volume").rolling(50, min_periods=1).mean()),
    "1 bar in 50": mixed(cross, rare(50)),
    "1 bar in 100": mixed(lambda b: above(b, 20), rare(100)),
    "1 bar in 500": mixed(cross, rare(500)),
    "1 bar in 500, dense": mixed(lambda b: above(b, 20), rare(500)),
    "1 bar in 500, volume": mixed(
        lambda b: b.volume > column(b, "volume").rolling(20, min_periods=1).mean(), rare(500)
    ),
    "1 bar in 500, exits": exits(lambda b: np.where(rare(500)(b), falls_next(b), rises(~above(b, 20)))),
    "1 bar in 500, slow mean": mixed(lambda b: rises(above(b, 200)), rare(500)),
    "1 bar in 500, RSI": mixed(lambda b: column(b).diff().ewm(span=14).mean() > 0, rare(500)),
    "1 bar in 500, mean so far": mixed(lambda b: column(b).expanding().mean() > b.close, rare(500)),
    "1 bar in 500, next low": plain(lambda b: cross(b) | (rare(500)(b) & (np.roll(b.low, -1) > b.low))),
    "1 bar in 500, next volume": plain(lambda b: cross(b) | (rare(500)(b) & (np.roll(b.volume, -1) > b.volume))),
    "1 bar in 500, 5 bars on": plain(lambda b: cross(b) | (rare(500)(b) & (np.roll(b.close, -5) > b.close))),
    "1 bar in 500, veto": plain(lambda b: above(b, 20) & ~(rare(500)(b) & (np.roll(b.close, -5) < b.close))),
    "every 500th bar": mixed(cross, lambda b: np.arange(len(b)) % 500 == 37),
    "every 500th bar, dense": mixed(lambda b: above(b, 20), lambda b: np.arange(len(b)) % 500 == 37),
    "1 bar in 500, drawn": mixed(lambda b: above(b, 20), lambda b: np.random.default_rng(5).random(len(b)) < 0.002),
    "1 bar in 1,000": mixed(lambda b: above(b, 20), rare(1_000)),
    "one hour of a week": mixed(cross, lambda b: (day_of(b) % 7 == 3) & (hour_of(b) == 0)),
    "rare bars only": plain(lambda b: rare(500)(b) & rises_next(b)),
}
