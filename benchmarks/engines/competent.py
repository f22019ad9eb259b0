"""What a user who knows numba would write: conditions once for all points, candidate bars, and all cores.

Each point visits only the candidates of its shape and the bars of its positions.
"""

import numba
import numpy as np

from benchmarks.engines.textbook import PAID, RECEIVED
from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import CLOSE, OPEN, Ints, high_volume, long_shape

PACKAGES = ("numba", "numpy")


def one_strategy(data: Arrays) -> Run:
    """Find the shapes in one compiled pass, test the volume of these bars only, then walk from trade to trade."""
    columns, (window, multiplier, body, hold) = tuple(data["columns"]), data["points"][0].tolist()

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            candidates = np.empty(len(columns[0]), np.int64)
            found = _candidates(*columns, int(window), multiplier, body, candidates)
            equity, entry = np.empty(len(columns[0])), np.empty(found, np.int64)
            count, deepest = _walk(columns[OPEN], columns[CLOSE], candidates[:found], int(hold), equity, entry)
            entry = entry[:count]
            leave = entry + int(hold)
        return {"entry_bar": entry, "exit_bar": leave, "equity": equity, "max_drawdown": np.array(deepest)}

    return run


def sweep(data: Arrays) -> Run:
    """Evaluate each distinct condition once in numpy, then walk each point from trade to trade."""
    columns, points = data["columns"], data["points"]

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            bodies, shape_of = np.unique(points[:, 2], return_inverse=True)
            volumes, volume_of = np.unique(points[:, :2], axis=0, return_inverse=True)
            candidates, ends = _join([np.flatnonzero(long_shape(columns, body)) for body in bodies])
            loud = np.stack([high_volume(columns, int(window), multiplier) for window, multiplier in volumes])
            trades, final, deepest = np.empty(len(points), np.int64), np.empty(len(points)), np.empty(len(points))
            hold = points[:, 3].astype(np.int64)
            opens, close = columns[OPEN], columns[CLOSE]
            _sweep(opens, close, candidates, ends, loud, shape_of, volume_of.ravel(), hold, trades, final, deepest)
        return {"trades": trades, "final": final, "max_drawdown": deepest}

    return run


def _join(parts: list[Ints]) -> tuple[Ints, Ints]:
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


@numba.njit(nogil=True)
def _candidates(opens, high, low, close, volume, window, multiplier, body, candidates):
    """Write the bars that have the shape and a high volume; return their number."""
    count = 0
    for i in range(len(opens)):
        long = close[i] - opens[i] >= body * opens[i] * (1.0 - 1e-12)
        if long & (high[i] - close[i] < 2.0 * body * opens[i]) & (opens[i] - low[i] < 2.0 * body * opens[i]):
            total = 0.0
            first = max(i + 1 - window, 0)
            for k in range(first, i + 1):
                total += volume[k]
            if volume[i] * (i + 1 - first) >= multiplier * total and (close[i] - opens[i]) / opens[i] >= body:
                candidates[count] = i
                count += 1
    return count


@numba.njit(nogil=True)
def _walk(opens, close, candidates, hold, equity, entry):
    """Fill equity and entries; return the number of trades and the maximum drawdown."""
    value = peak = 1.0
    deepest = 0.0
    free = count = 0
    for bar in candidates:
        if bar < free:
            continue
        first, last = bar + 1, bar + 1 + hold
        equity[free:first] = value
        units = value / (opens[first] * PAID)
        for i in range(first, last):
            equity[i] = worth = units * close[i]
            peak = max(peak, worth)
            deepest = max(deepest, 1.0 - worth / peak)
        value = units * opens[last] * RECEIVED
        peak = max(peak, value)
        deepest = max(deepest, 1.0 - value / peak)
        entry[count] = first
        count += 1
        free = last
    equity[free:] = value
    return count, deepest


@numba.njit(nogil=True)
def _walk_point(opens, close, candidates, loud, hold):
    """Return the number of trades, the final value and the maximum drawdown of one point."""
    value = peak = 1.0
    deepest = 0.0
    free = count = 0
    for bar in candidates:
        if bar < free or not loud[bar]:
            continue
        first, last = bar + 1, bar + 1 + hold
        units = value / (opens[first] * PAID)
        for i in range(first, last):
            worth = units * close[i]
            peak = max(peak, worth)
            deepest = max(deepest, 1.0 - worth / peak)
        value = units * opens[last] * RECEIVED
        peak = max(peak, value)
        deepest = max(deepest, 1.0 - value / peak)
        count += 1
        free = last
    return count, value, deepest


@numba.njit(parallel=True)
def _sweep(
    opens,
    close,
    candidates,
    ends,
    loud,
    shape_of,
    volume_of,
    hold,
    trades,
    final,
    deepest,
):
    for k in numba.prange(len(hold)):
        own = candidates[ends[shape_of[k]] : ends[shape_of[k] + 1]]
        trades[k], final[k], deepest[k] = _walk_point(opens, close, own, loud[volume_of[k]], hold[k])
