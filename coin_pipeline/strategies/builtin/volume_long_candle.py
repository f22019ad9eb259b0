"""Built-in strategy ``volume_long_candle``."""

import os
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.decimals import AT_LEAST, AT_MOST
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.kernel import borrowed_slice, kernel
from coin_pipeline.engine.signal_rows import DecideBlock, SignalRows, Words, distinct_rows, evaluate_rows, run_jobs
from coin_pipeline.engine.signals import Signals
from coin_pipeline.languages import Text
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.param_columns import column_of
from coin_pipeline.strategies.plot import PlotLine

CHUNK = 4096
"""Bars whose shapes are tested in one pass."""
BLOCK = 64 * CHUNK
"""Bars decided at a time."""
THREADS = os.cpu_count() or 1
"""Threads that decide the blocks of a long series."""
ROUNDING = 2.0**-51
"""Maximum relative difference between two sums of the same volumes, per bar of the window."""
SMALLEST_RISE = 2.0**-54
"""Less than the relative difference between a price and the next higher float."""


class VolumeLongCandleParams(StrategyParams):
    """Parameters of ``volume_long_candle``."""

    vol_ma_window: int = Field(20, ge=1, le=500, description="bars of the mean volume, including the signal bar")
    vol_multiplier: float = Field(1.5, gt=0, le=10, description="minimum volume, as a multiple of its mean")
    body_pct: float = Field(0.02, gt=0, le=1, description="minimum rise from open to close, a fraction of the open")
    hold_period_bars: int = Field(1, ge=1, le=1000, description="bars from entry to exit")


class VolumeLongCandle(Strategy[VolumeLongCandleParams]):
    """Buy after a long rising candle with short wicks on high volume, and hold for a fixed number of bars.

    A bar is a signal if its volume is at least ``vol_multiplier`` times the mean of the last ``vol_ma_window`` bars
    (fewer at the start), it rises by at least ``body_pct`` of its open, and each wick is shorter than twice that. These
    are compared as decimals: from 10.1 to 10.302 is a rise of 0.02.
    """

    name = "volume_long_candle"
    Params = VolumeLongCandleParams

    def signals(self, bars: Bars, params: VolumeLongCandleParams) -> Signals:
        """Find the long candles on high volume."""
        entries = np.empty(len(bars), np.bool_)
        decide = _decide(bars, [float(params.body_pct)], [(params.vol_ma_window, float(params.vol_multiplier))])

        def decide_block(start: int) -> None:  # keeps both conditions in the cache until they are combined
            block = entries[start : start + BLOCK]
            factors = np.zeros((2, len(block)), np.bool_)
            decide(start, factors)
            np.logical_and(factors[0], factors[1], out=block)

        run_jobs(decide_block, [(start,) for start in range(0, len(bars), BLOCK)], THREADS)
        return Signals(entries, hold=params.hold_period_bars)

    def signal_rows(self, bars: Bars, points: Sequence[VolumeLongCandleParams], workers: int = 1) -> SignalRows:
        """Evaluate each distinct shape condition once, and each distinct volume condition once."""
        (bodies,), body = distinct_rows([column_of(points, "body_pct")])
        volumes, volume = distinct_rows([column_of(points, "vol_ma_window"), column_of(points, "vol_multiplier")])
        (holds,), rule = distinct_rows([column_of(points, "hold_period_bars")])
        decide = _decide(bars, bodies, [*zip(*volumes, strict=True)])
        rows = evaluate_rows(len(bars), [(len(bodies) + len(volumes[0]), decide)], workers)
        factors, index = (rows[: len(bodies)], rows[len(bodies) :]), np.column_stack([body, volume])
        return SignalRows(len(bars), factors, index, tuple(ExitRule(hold) for hold in holds), rule)

    def plot(self, bars: Bars, params: VolumeLongCandleParams) -> dict[str, PlotLine]:
        """Return the volume that a signal requires."""
        window, multiplier = params.vol_ma_window, params.vol_multiplier
        label = Text(f"{multiplier:g} x mean volume of {window} bars", f"거래량 {window}봉 평균의 {multiplier:g}배")
        return {"needed volume": PlotLine(_means(bars.volume, window) * multiplier, "volume", label)}

    def warm_up_bars(self, params: VolumeLongCandleParams) -> int:
        """Return the number of bars of the mean volume before the signal bar."""
        return params.vol_ma_window - 1

    def warm_up_rows(self, points: Sequence[VolumeLongCandleParams]) -> Ints:
        """Return the number of bars of the mean volume before the signal bar."""
        return column_of(points, "vol_ma_window") - 1


def _decide(bars: Bars, bodies: Sequence[float], volumes: Sequence[tuple[int, float]]) -> DecideBlock:
    """Return a function that decides one row per body, followed by one row per window and multiplier, in order."""
    body = np.array(bodies, np.float64)
    window = np.array([volume[0] for volume in volumes])
    multiplier = np.array([volume[1] for volume in volumes]) * AT_LEAST
    columns = bars.open, bars.high, bars.low, bars.close, bars.volume

    def decide(start: int, block: Bools) -> None:
        _long_candles(*columns, body, window, multiplier, AT_MOST, start, block[: len(body)], block[len(body) :])

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
    at_most: float,
    start: int,
    long: Bools,
    busy: Bools,
) -> None:
    """Set the bars of each shape in ``long``, and those with high volume among the candidate bars in ``busy``.

    Args:
        opens: Open prices of all n bars; the next four columns have the same length.
        highs: High prices.
        lows: Low prices.
        closes: Close prices.
        volumes: Volumes.
        bodies: ``body_pct`` of each row of ``long``, ascending, at least one.
        windows: ``vol_ma_window`` of each row of ``busy``, with equal values adjacent.
        multipliers: ``vol_multiplier`` of each row of ``busy``, less the tolerance.
        at_most: Factor on a price that must reach a limit, 1 plus the tolerance.
        start: Index of the bar in column 0 of both outputs.
        long: All False on entry, shape (bodies, bars).
        busy: All False on entry, shape (windows, bars).
    """
    likely, candidates = np.empty(CHUNK, np.bool_), np.empty(CHUNK, np.uint64)
    rises, wicks, means = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    for first in range(start, start + long.shape[1], CHUNK):
        last = min(first + CHUNK, start + long.shape[1])
        likely[last - first :] = False
        o, h, low = opens[first:last], highs[first:last], lows[first:last]
        c, v = closes[first:last], volumes[first:last]
        _quick_test(o, h, low, c, v, bodies[0], bodies[-1], at_most, likely)
        column = np.uint64(first - start)
        at = candidates[: _write_true_indices(likely, candidates)]
        rise, wick, mean = rises[: len(at)], wicks[: len(at)], means[: len(at)]
        for k, i in enumerate(at):
            rise[k] = (c[i] * at_most - o[i]) / o[i]
            # Longer by the tolerance, so that a wick that equals its limit is too long.
            upper = h[i] * at_most - c[i] if h[i] > c[i] else 0.0
            lower = o[i] * at_most - low[i] if low[i] < o[i] else 0.0
            wick[k] = max(upper, lower) / o[i]
        for row in range(len(bodies)):
            for k, i in enumerate(at):
                long[row, column + i] = rise[k] >= bodies[row] and wick[k] < 2.0 * bodies[row]
        for row in range(len(windows)):
            window, multiplier = windows[row], multipliers[row]
            if row == 0 or window != windows[row - 1]:
                for k, i in enumerate(at):
                    mean[k] = _mean(_window(volumes, first + int(i), window))
            for k, i in enumerate(at):
                enough = multiplier * mean[k]
                if abs(v[i] - enough) <= ROUNDING * window * enough:
                    enough = multiplier * _mean_in_order(_window(volumes, first + int(i), window))
                busy[row, column + i] = v[i] >= enough


@kernel
def _quick_test(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    volumes: Floats,
    min_body: float,
    max_body: float,
    at_most: float,
    likely: Bools,
) -> None:
    """Set rising bars that may have a body of ``min_body`` and wicks below twice ``max_body``, without divisions.

    A NaN volume is never high enough. Testing it here streams the volume column through the cache: with frequent
    candidates, fetching the windows around them one by one takes longer.
    """
    # The rise is at least the smallest one that two floats can have, so that the close is above the open.
    body, wick = max(min_body * (1.0 - 1e-9) - 2.0 * (at_most - 1.0), SMALLEST_RISE), 2.0 * max_body * (1.0 + 1e-9)
    for i in range(len(opens)):
        o = opens[i]
        likely[i] = (closes[i] - o >= body * o) & (highs[i] - closes[i] <= wick * o) & (o - lows[i] <= wick * o)
        likely[i] &= volumes[i] == volumes[i]


@kernel
def _write_true_indices(likely: Bools, indices: Words) -> int:
    """Write the indices of True values and return their number, after finding the words of eight that contain any.

    The loops are branch-free: with rare candidates, the branch predictor would miss at each of them. Indices are
    unsigned because Python's negative ones take several instructions.
    """
    words, flags = likely.view(np.uint64), likely.view(np.uint8)
    nonzero = np.empty(len(words) + 1, np.uint64)
    nonzero_count, count, bits = np.uint64(0), np.uint64(0), np.uint64(8)
    for word in range(len(words)):
        nonzero[nonzero_count] = word
        nonzero_count += np.uint64(words[word] != 0)
    for word in nonzero[:nonzero_count]:
        for bit in range(bits):
            i = word * bits + bit
            indices[count] = i
            count += np.uint64(flags[i])
    return int(count)


@kernel
def _means(volumes: Floats, window: int) -> Floats:
    """Return the mean of the last ``window`` volumes at each bar, of fewer at the start."""
    means = np.empty(len(volumes))
    for t in range(len(volumes)):
        means[t] = _mean_in_order(_window(volumes, t, window))
    return means


@kernel
def _window(volumes: Floats, t: int, window: int) -> Floats:
    return borrowed_slice(volumes, max(t + 1 - window, 0), t + 1)


@kernel
def _mean(values: Floats) -> float:
    """Return the mean up to rounding errors, with four independent sums for instruction-level parallelism."""
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
    """Return the mean of the values, summed from left to right: unlike a running sum, it cannot drift."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
