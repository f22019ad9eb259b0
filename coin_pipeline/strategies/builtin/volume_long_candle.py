"""The strategy ``volume_long_candle``."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.kernel import borrowed_slice, kernel
from coin_pipeline.engine.signal_rows import DecideBlock, SignalRows, evaluate_rows, sorted_unique
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.base import Strategy, StrategyParams

CHUNK = 4096
"""Bars whose shapes are tested in one pass."""
BLOCK = 64 * CHUNK
"""Bars that are decided at a time."""
ROUNDING = 2.0**-51
"""How far two sums of the same volumes may differ, for each bar of the window, as a fraction."""


class VolumeLongCandleParams(StrategyParams):
    """Parameters of ``volume_long_candle``."""

    vol_ma_window: int = Field(20, ge=1, le=500, description="bars of the mean volume, the signal bar included")
    vol_multiplier: float = Field(1.5, gt=0, le=10, description="volume over its mean that is high enough")
    body_pct: float = Field(0.02, gt=0, le=1, description="rise from open to close, a fraction of the open")
    hold_period_bars: int = Field(1, ge=1, le=1000, description="bars from entry to exit")


class VolumeLongCandle(Strategy[VolumeLongCandleParams]):
    """Buy after a long rising candle with short wicks on high volume, and hold for a fixed number of bars.

    A bar signals when its volume is at least ``vol_multiplier`` times the mean of the last ``vol_ma_window`` bars (of
    fewer at the start), it rises by at least ``body_pct`` of its open, and each wick is below twice that.
    """

    name = "volume_long_candle"
    Params = VolumeLongCandleParams

    def signals(self, bars: Bars, params: VolumeLongCandleParams) -> Signals:
        """Find the long candles on high volume."""
        entries = np.empty(len(bars), np.bool_)
        decide = _decide(bars, [float(params.body_pct)], [(params.vol_ma_window, float(params.vol_multiplier))])
        for start in range(0, len(bars), BLOCK):  # so that both conditions stay in the cache until they are combined
            block = entries[start : start + BLOCK]
            factors = np.zeros((2, len(block)), np.bool_)
            decide(start, factors)
            np.logical_and(factors[0], factors[1], out=block)
        return Signals(entries, hold=params.hold_period_bars)

    def signal_rows(self, bars: Bars, points: Sequence[VolumeLongCandleParams], workers: int = 1) -> SignalRows:
        """Decide once for each different shape, and once for each different volume."""
        bodies, body = sorted_unique([float(params.body_pct) for params in points])
        volumes, volume = sorted_unique([(params.vol_ma_window, float(params.vol_multiplier)) for params in points])
        holds, rule = sorted_unique([params.hold_period_bars for params in points])
        rows = evaluate_rows(len(bars), [(len(bodies) + len(volumes), _decide(bars, bodies, volumes))], workers)
        factors, index = (rows[: len(bodies)], rows[len(bodies) :]), np.column_stack([body, volume])
        return SignalRows(len(bars), factors, index, tuple(ExitRule(hold) for hold in holds), rule)

    def warm_up_bars(self, params: VolumeLongCandleParams) -> int:
        """Return the bars of the mean volume before the signal bar."""
        return params.vol_ma_window - 1


def _decide(bars: Bars, bodies: Sequence[float], volumes: Sequence[tuple[int, float]]) -> DecideBlock:
    """Return what decides one row for each body, and below them one for each window and multiplier, in their order."""
    body = np.array(bodies)
    window, multiplier = np.array([one[0] for one in volumes]), np.array([one[1] for one in volumes])
    columns = bars.open, bars.high, bars.low, bars.close, bars.volume

    def decide(start: int, block: Bools) -> None:
        _long_candles(*columns, body, window, multiplier, start, block[: len(body)], block[len(body) :])

    return decide


@kernel
def _long_candles(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    volumes: Floats,
    bodies: Floats,
    windows: Ints,
    multipliers: Floats,
    start: int,
    long: Bools,
    busy: Bools,
) -> None:
    """Set in ``long`` the bars of each shape, and in ``busy`` those of high volume among the bars that may have one.

    Args:
        opens: First prices of all n bars, as the four columns after it.
        highs: Highest prices.
        lows: Lowest prices.
        closes: Last prices.
        volumes: Volumes.
        bodies: ``body_pct`` of each row of ``long``, ascending, at least one.
        windows: ``vol_ma_window`` of each row of ``busy``, equal ones next to each other.
        multipliers: ``vol_multiplier`` of each row of ``busy``.
        start: Number of the bar in column 0 of both.
        long: False in shape (bodies, bars).
        busy: False in shape (windows, bars).
    """
    likely, candidates = np.empty(CHUNK, np.bool_), np.empty(CHUNK, np.int64)
    rises, wicks, means = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    for first in range(start, start + long.shape[1], CHUNK):
        last = min(first + CHUNK, start + long.shape[1])
        likely[last - first :] = False
        o, h, low = opens[first:last], highs[first:last], lows[first:last]
        c, v = closes[first:last], volumes[first:last]
        _quick_test(o, h, low, c, v, bodies[0], bodies[-1], likely)
        at = candidates[: _places(likely, candidates)]
        rise, wick, mean = rises[: len(at)], wicks[: len(at)], means[: len(at)]
        for k, i in enumerate(at):
            rise[k] = (c[i] - o[i]) / o[i]
            wick[k] = max(h[i] - c[i], o[i] - low[i], 0.0) / o[i]
        for row in range(len(bodies)):
            for k, i in enumerate(at):
                long[row, first - start + i] = rise[k] >= bodies[row] and wick[k] < 2.0 * bodies[row]
        for row in range(len(windows)):
            window, multiplier = windows[row], multipliers[row]
            if row == 0 or window != windows[row - 1]:
                for k, i in enumerate(at):
                    mean[k] = _mean(_window(volumes, first + i, window))
            for k, i in enumerate(at):
                enough = multiplier * mean[k]
                if abs(v[i] - enough) <= ROUNDING * window * enough:
                    enough = multiplier * _mean_in_order(_window(volumes, first + i, window))
                busy[row, first - start + i] = v[i] >= enough


@kernel
def _quick_test(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    volumes: Floats,
    least: float,
    most: float,
    likely: Bools,
) -> None:
    """Set bars whose body may reach ``least`` and whose wicks may stay below twice ``most``: no division, no miss.

    A volume that is no number never is high enough. To ask for it here reads the column as a stream: where candidates
    are frequent, to fetch the windows around them one by one takes longer.
    """
    body, wick = least * (1.0 - 1e-9), 2.0 * most * (1.0 + 1e-9)
    for i in range(len(opens)):
        o = opens[i]
        likely[i] = (closes[i] - o >= body * o) & (highs[i] - closes[i] <= wick * o) & (o - lows[i] <= wick * o)
        likely[i] &= volumes[i] == volumes[i]


@kernel
def _places(likely: Bools, places: Ints) -> int:
    """Write down the places of what is set and return how many there are: first of words that are not empty.

    Nothing that a processor has to guess: where candidates are rare, it would guess wrong at each of them.
    """
    words, ones = likely.view(np.uint64), likely.view(np.uint8)
    filled = np.empty(len(words) + 1, np.int64)
    found = count = 0
    for word in range(len(words)):
        filled[found] = word
        found += words[word] != 0
    for word in filled[:found]:
        for i in range(8 * word, 8 * word + 8):
            places[count] = i
            count += ones[i]
    return count


@kernel
def _window(volumes: Floats, t: int, window: int) -> Floats:
    return borrowed_slice(volumes, max(t + 1 - window, 0), t + 1)


@kernel
def _mean(values: Floats) -> float:
    """Return the mean but for rounding errors: four sums at a time do not wait for each other."""
    a = b = c = d = 0.0
    fours = len(values) // 4 * 4
    for i in range(0, fours, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(fours, len(values)):
        a += values[i]
    return ((a + b) + (c + d)) / len(values)


@kernel
def _mean_in_order(values: Floats) -> float:
    """Return the mean of the values summed anew from left to right: it cannot drift as a running sum would."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
