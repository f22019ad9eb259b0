"""Kernels of ``volume_zone_breakout``: find the bars that break out of the volume profile of the bars before them.

No bins are filled. The volume summed from the top bin down to an edge is the volume above that edge, which increases
monotonically as edges get lower. The level is therefore below the first edge out of reach (edge * (1 + buffer) > top)
if and only if the volume above that edge is still less than the required share.

Prices and sums of volumes are compared up to the tolerance of the engine: the factors and shares that are passed in are
lower by it, and so is an edge when the volume above it is summed.

Many bars are decided side by side, using sums with bounded rounding errors; bars too close to call are decided
individually. Every decision is therefore that of ``is_breakout``, regardless of where a block of bars starts.
"""

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.kernel import kernel

CHUNK = 2048
"""Bars per pass, chosen so that the columns stay in the cache of a core."""
LANES = 64
"""Adjacent bars whose windows are summed side by side."""
ULP = 2.0**-52
NEXT_FLOAT_STEP = 0.75 * ULP
"""Adding this fraction of a price to it rounds to the next higher float."""


@kernel
def find_breakouts(
    top: Floats,
    bottom: Floats,
    volume: Floats,
    window: int,
    bins: Ints,
    factors: Floats,
    shares: Floats,
    at_least: float,
    start: int,
    entries: Bools,
) -> None:
    """Set the bars that break out of the ``window`` bars before them, in each row of ``entries``.

    Args:
        top: Upper price of each bar, shape (n,).
        bottom: Lower price of each bar, shape (n,).
        volume: Volume of each bar, shape (n,).
        window: Number of bars of the profile.
        bins: Number of bins of the profile, shape (rows,).
        factors: 1 + buffer, less the tolerance, shape (rows,); consecutive rows with equal bins and factors share sums.
        shares: Share of the volume above the level, less the tolerance, shape (rows,).
        at_least: Factor on the edge above which volume is summed, 1 less the tolerance.
        start: Index of the bar in column 0 of ``entries``.
        entries: All False on entry, shape (rows, bars).
    """
    upper, height, density = np.empty(CHUNK + window), np.empty(CHUNK + window), np.empty(CHUNK + window)
    values, spare = np.empty(CHUNK + window), np.empty(CHUNK + window)
    lows, highs, totals = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    edges, aboves, slacks = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    for first in range(max(start, window), start + entries.shape[1], CHUNK):
        last = min(first + CHUNK, start + entries.shape[1])
        n, m, past = last - first, last - first + window - 1, slice(first - window, last - 1)
        price, lo, hi, total = top[first:last], lows[:n], highs[:n], totals[:n]
        edge, above, slack = edges[:n], aboves[:n], slacks[:n]
        _spread(top[past], bottom[past], volume[past], upper[:m], height[:m], density[:m], values[:m])
        blur = 4.0 * ULP * window * _largest(values[:m])
        _sum_up_windows(top[past], bottom[past], volume[past], window, values[:m], spare[:m], lo, hi, total)
        for row in range(len(shares)):
            if row == 0 or bins[row] != bins[row - 1] or factors[row] != factors[row - 1]:
                _first_edges_out_of_reach(price, lo, hi, bins[row], factors[row], at_least, edge)
                _rounding_errors(lo, hi, total, window, bins[row], blur, slack)
                _volumes_above(upper[:m], height[:m], density[:m], window, edge, above)
            decided = entries[row, first - start : last - start]
            if _compare(above, total, slack, shares[row], decided):
                for i in range(n):
                    if _too_close(above[i], total[i], slack[i], shares[row]):
                        decided[i] = is_breakout(
                            top, bottom, volume, first + i, window, bins[row], factors[row], shares[row], at_least
                        )


@kernel
def is_breakout(
    top: Floats,
    bottom: Floats,
    volume: Floats,
    t: int,
    window: int,
    bins: int,
    factor: float,
    share: float,
    at_least: float,
) -> bool:
    """Decide a single bar ``t``, t >= window, with volumes added from left to right."""
    lo, hi = bottom[t - window], top[t - window]
    for i in range(t - window + 1, t):
        lo, hi = min(lo, bottom[i]), max(hi, top[i])
    if lo == hi:
        return False
    j = _first_edge_out_of_reach(top[t], lo, hi - lo, bins, factor)
    if j == 0:
        return False
    total = 0.0
    for i in range(t - window, t):
        total += volume[i]
    height_of_edge = (hi - lo) * j / bins if j < bins else np.inf
    above = _volume_above(top, bottom, volume, t, window, lo, height_of_edge, at_least)
    return above < share * total  # always False without volume


@kernel
def find_levels(
    top: Floats, bottom: Floats, volume: Floats, window: int, bins: int, share: float, at_least: float
) -> Floats:
    """Return the level of each bar: the highest edge with at least ``share`` of the volume of its window above it.

    It is found by bisection, side by side for many bars.

    Args:
        top: Upper price of each bar, shape (n,).
        bottom: Lower price of each bar, shape (n,).
        volume: Volume of each bar, shape (n,).
        window: Number of bars of the profile, those before each bar.
        bins: Number of bins of the profile.
        share: Share of the volume above the level, less the tolerance.
        at_least: Factor on the edge above which volume is summed, 1 less the tolerance.

    Returns:
        Prices, shape (n,); NaN without a price range or a volume in the window.
    """
    levels = np.full(len(top), np.nan)
    upper, height, density = np.empty(CHUNK + window), np.empty(CHUNK + window), np.empty(CHUNK + window)
    values, spare = np.empty(CHUNK + window), np.empty(CHUNK + window)
    lows, highs, totals = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    edges, aboves, slacks = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    highest, beyond = np.empty(CHUNK, np.int64), np.empty(CHUNK, np.int64)
    for first in range(window, len(top), CHUNK):
        last = min(first + CHUNK, len(top))
        n, m, past = last - first, last - first + window - 1, slice(first - window, last - 1)
        lo, hi, total, edge, above, slack = lows[:n], highs[:n], totals[:n], edges[:n], aboves[:n], slacks[:n]
        _spread(top[past], bottom[past], volume[past], upper[:m], height[:m], density[:m], values[:m])
        blur = 4.0 * ULP * window * _largest(values[:m])
        _sum_up_windows(top[past], bottom[past], volume[past], window, values[:m], spare[:m], lo, hi, total)
        _rounding_errors(lo, hi, total, window, bins, blur, slack)
        highest[:n], beyond[:n] = 0, bins  # all volume is above edge 0, and none above the last one
        width = bins
        while width > 1:
            for i in range(n):
                middle = (highest[i] + beyond[i]) // 2
                edge[i] = (lo[i] + (hi[i] - lo[i]) * middle / bins) * at_least
            _volumes_above(upper[:m], height[:m], density[:m], window, edge, above)
            for i in range(n):
                middle = (highest[i] + beyond[i]) // 2
                if _too_close(above[i], total[i], slack[i], share):
                    height_of_edge = (hi[i] - lo[i]) * middle / bins
                    above[i] = _volume_above(top, bottom, volume, first + i, window, lo[i], height_of_edge, at_least)
                if above[i] >= share * total[i]:
                    highest[i] = middle
                else:
                    beyond[i] = middle
            width = (width + 1) // 2
        for i in range(n):
            if lo[i] < hi[i] and total[i] > 0.0:
                levels[first + i] = lo[i] + (hi[i] - lo[i]) * highest[i] / bins
    return levels


@kernel
def _sum_up_windows(
    top: Floats,
    bottom: Floats,
    volume: Floats,
    window: int,
    values: Floats,
    spare: Floats,
    lo: Floats,
    hi: Floats,
    total: Floats,
) -> None:
    """Set the price range and the volume of each window; overwrites ``values`` and ``spare``."""
    _copy(top, 1.0, values)
    _window_maxima(values, spare, window, hi)
    _copy(volume, 1.0, values)
    _window_sums(values, spare, window, total)
    _copy(bottom, -1.0, values)
    _window_maxima(values, spare, window, lo)
    _negate(lo)


@kernel
def _volume_above(
    top: Floats,
    bottom: Floats,
    volume: Floats,
    t: int,
    window: int,
    lo: float,
    height_of_edge: float,
    at_least: float,
) -> float:
    """Return the volume above an edge in the ``window`` bars before t, added from left to right."""
    above = 0.0
    for i in range(t - window, t):
        above += volume[i] * _share_above(top[i], bottom[i], lo, height_of_edge, at_least)
    return above


@kernel
def _first_edge_out_of_reach(price: float, lo: float, span: float, bins: int, factor: float) -> int:
    """Return the lowest j with edge_j * factor > price, or ``bins`` if the price reaches all lower edges.

    Edges that are infinite or NaN end the search instead of moving it.
    """
    estimate = (price / factor - lo) / span * bins
    j = int(min(estimate, float(bins))) if estimate > 0.0 else 0  # NaN as an integer would be -2**63
    while j > 0 and (lo + span * (j - 1) / bins) * factor > price:
        j -= 1
    while j < bins and (lo + span * j / bins) * factor <= price:
        j += 1
    return j


@kernel
def _share_above(top: float, bottom: float, lo: float, height_of_edge: float, at_least: float) -> float:
    """Return the share of a bar above an edge; a bar of zero height belongs to the bin that starts at its price.

    Heights are measured from ``lo`` to keep them small, so that a high price level does not cost precision.
    """
    edge = lo + height_of_edge
    lowered = edge * at_least
    if bottom >= lowered:
        return 1.0
    if top <= lowered:
        return 0.0
    return (top - lo - height_of_edge + edge * (1.0 - at_least)) / (top - bottom)


@kernel
def _spread(
    top: Floats, bottom: Floats, volume: Floats, upper: Floats, height: Floats, density: Floats, blur: Floats
) -> None:
    """Prepare min(max(upper - edge, 0), height) * density, the volume of a bar above an edge.

    A bar of zero height gets the smallest possible one, so that it is entirely above or below any edge. ``blur`` is the
    change of that volume for a relative change of the edge.
    """
    for i in range(len(top)):
        flat = top[i] == bottom[i]
        upper[i] = top[i] + NEXT_FLOAT_STEP * top[i] if flat else top[i]
        height[i] = upper[i] - bottom[i]
        density[i] = np.divide(volume[i], height[i])
        blur[i] = 0.0 if flat else top[i] * density[i]


@kernel
def _largest(values: Floats) -> float:
    """Return the maximum by pairwise halving, overwriting the values; a running maximum is a serial dependency."""
    n = len(values)
    while n > 1:
        half = (n + 1) // 2
        _keep_larger(values[half:n], values[: n - half])
        n = half
    return float(values[0])


@kernel
def _keep_larger(values: Floats, kept: Floats) -> None:
    for i in range(len(values)):
        kept[i] = max(kept[i], values[i])


@kernel
def _copy(column: Floats, sign: float, out: Floats) -> None:
    """Copy with a sign; a slice assignment would also compile numba's shape error messages."""
    for i in range(len(out)):
        out[i] = sign * column[i]


@kernel
def _negate(values: Floats) -> None:
    for i in range(len(values)):
        values[i] = -values[i]


@kernel
def _window_maxima(values: Floats, spare: Floats, window: int, out: Floats) -> None:
    """Set out[i] to the maximum of values[i : i + window]; overwrites ``values`` and ``spare``."""
    span, m = 1, len(values)
    while 2 * span <= window:
        m -= span
        _larger(values[:m], values[span:], spare[:m])
        values, spare, span = spare, values, 2 * span
    _larger(values[: len(out)], values[window - span :], out)


@kernel
def _larger(a: Floats, b: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = max(b[i], a[i])


@kernel
def _window_sums(values: Floats, spare: Floats, window: int, out: Floats) -> None:
    """Set out[i] to the sum of values[i : i + window], from sums of 1, 2, 4, ... values; overwrites its inputs."""
    out[:] = 0.0
    span, m, done = 1, len(values), 0
    while done < window:
        if window & span:
            partial = values[done : done + len(out)]
            for i in range(len(out)):
                out[i] += partial[i]
            done += span
        if done < window:
            m -= span
            _add(values[:m], values[span:], spare[:m])
            values, spare, span = spare, values, 2 * span


@kernel
def _add(a: Floats, b: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = a[i] + b[i]


@kernel
def _first_edges_out_of_reach(
    price: Floats, lo: Floats, hi: Floats, bins: int, factor: float, at_least: float, edge: Floats
) -> None:
    """Set the lowest edge that the price does not reach, less the tolerance; inf if it reaches all of them.

    Only the edge nearest to the price is tested: the one below it is reached and the one above it is not, unless edges
    are so close together that ``_rounding_errors`` marks them uncertain. A window without a price range gets its price
    as the edge, so that all volume is above it.
    """
    count = float(bins)
    for i in range(len(price)):
        span = hi[i] - lo[i]
        position = (price[i] / factor - lo[i]) * np.divide(count, span)
        nearest = np.floor(min(count, max(0.0, position)) + 0.5)
        j = nearest + 1.0 if (lo[i] + span * nearest / count) * factor <= price[i] else nearest
        out = (lo[i] + span * j / count) * at_least if j < count else np.inf
        edge[i] = out if span > 0.0 else lo[i]


@kernel
def _rounding_errors(lo: Floats, hi: Floats, total: Floats, window: int, bins: int, blur: float, slack: Floats) -> None:
    """Set the error bound of the volume above an edge, inf where even the edge is uncertain."""
    for i in range(len(lo)):
        span = hi[i] - lo[i]
        uncertain = (span > 0.0) & (span < 64.0 * ULP * bins * hi[i])
        slack[i] = np.inf if uncertain else (2.0 * window + 16.0) * ULP * total[i] + blur


@kernel
def _volumes_above(upper: Floats, height: Floats, density: Floats, window: int, edge: Floats, above: Floats) -> None:
    """Set the volume above each bar's edge in the ``window`` bars before it."""
    for first in range(0, len(edge), LANES):
        e, s = edge[first : first + LANES], above[first : first + LANES]
        n = len(e)
        s[:] = 0.0
        unrolled = window // 4 * 4
        for d in range(first, first + unrolled, 4):
            u, h, v = upper[d : d + n + 3], height[d : d + n + 3], density[d : d + n + 3]
            for q in range(n):
                s[q] = (
                    ((s[q] + _clip(u[q] - e[q], h[q]) * v[q]) + _clip(u[q + 1] - e[q], h[q + 1]) * v[q + 1])
                    + _clip(u[q + 2] - e[q], h[q + 2]) * v[q + 2]
                ) + _clip(u[q + 3] - e[q], h[q + 3]) * v[q + 3]
        for d in range(first + unrolled, first + window):
            u, h, v = upper[d : d + n], height[d : d + n], density[d : d + n]
            for q in range(n):
                s[q] += _clip(u[q] - e[q], h[q]) * v[q]


@kernel
def _clip(value: float, limit: float) -> float:
    return min(limit, max(0.0, value))


@kernel
def _compare(above: Floats, total: Floats, slack: Floats, share: float, entries: Bools) -> int:
    """Set the bars with too little volume above the edge, and return the number of those too close to call."""
    close = 0
    for i in range(len(above)):
        entries[i] = above[i] < share * total[i]
        close += _too_close(above[i], total[i], slack[i], share)
    return close


@kernel
def _too_close(above: float, total: float, slack: float, share: float) -> bool:
    return not abs(above - share * total) > slack  # written so that NaN counts as too close
