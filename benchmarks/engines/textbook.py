"""Textbook implementation of the volume zone in numba: fill the bins for every bar, then sum them from the top."""

import numba
import numpy as np

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import HIGH, LOW, REACHED_FACTOR, VOLUME, Bools, Floats

PACKAGES = ("numba", "numpy")


def zone(data: Arrays) -> Run:
    """Find the breakouts of one window."""
    columns, parameters = data["columns"], (int(data["window"]), int(data["bins"]), float(data["share"]), 1.0)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            entries = breakouts(columns, *parameters)
        return {"entries": entries, "first_bars": entries[: data["checked"]]}

    return run


def breakouts(columns: Floats, window: int, bins: int, share: float, factor: float) -> Bools:
    """Return where the high reaches the level of the zone times ``factor``, bool, shape (n,)."""
    return _breakouts(columns[HIGH], columns[LOW], columns[VOLUME], window, bins, share, factor)


@numba.njit(nogil=True)
def _breakouts(high, low, volume, window, bins, share, factor):  # noqa: ANN001, ANN202, C901, PLR0912 - compiled, one loop
    """Implement ``breakouts``.

    Only the bins that a bar touches are visited; its volume per unit of height is computed once.
    """
    signals = np.zeros(len(high), np.bool_)
    filled, edges = np.zeros(bins), np.zeros(bins + 1)
    height = high - low
    density = np.zeros(len(high))
    for i in range(len(high)):
        if height[i] > 0.0:
            density[i] = volume[i] / height[i]
    for t in range(window, len(high)):
        bottom, top = low[t - window], high[t - window]
        for i in range(t - window + 1, t):
            bottom, top = min(bottom, low[i]), max(top, high[i])
        if bottom == top:
            continue
        per_price = bins / (top - bottom)
        for j in range(bins):
            filled[j] = 0.0
            edges[j] = bottom + (top - bottom) * j / bins
        edges[bins] = top
        for i in range(t - window, t):
            j = min(int((low[i] - bottom) * per_price), bins - 1)
            while j > 0 and edges[j] > low[i]:
                j -= 1
            while j < bins - 1 and edges[j + 1] * REACHED_FACTOR <= low[i]:
                j += 1
            if height[i] == 0.0:
                filled[j] += volume[i]
                continue
            while j < bins and edges[j] < high[i]:
                filled[j] += density[i] * (min(high[i], edges[j + 1]) - max(low[i], edges[j]))
                j += 1
        total = running = 0.0
        for j in range(bins):
            total += filled[j]
        j = bins
        while j > 0 and running < share * total * REACHED_FACTOR:
            j -= 1
            running += filled[j]
        signals[t] = total > 0.0 and high[t] >= edges[j] * factor * REACHED_FACTOR
    return signals
