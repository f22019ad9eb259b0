"""What a user would write in numba without further thought: one loop over the bars for each workload."""

import numba
import numpy as np

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import CLOSE, FEE, HIGH, LOW, OPEN, REACHED_FACTOR, SLIPPAGE, SLOTS, VOLUME, Bools, Floats

PACKAGES = ("numba", "numpy")
PAID, RECEIVED = (1 + SLIPPAGE) * (1 + FEE), (1 - SLIPPAGE) * (1 - FEE)


def one_strategy(data: Arrays) -> Run:
    """Trade one point: rolling sum, conditions, position and equity in one loop."""
    columns, (window, multiplier, body, hold) = tuple(data["columns"]), data["points"][0].tolist()

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            n = len(columns[0])
            equity, entry, leave = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
            count, _, deepest = _trade(*columns, int(window), multiplier, body, int(hold), equity, entry, leave)
            entry, leave = entry[:count].copy(), leave[:count].copy()
        return {"entry_bar": entry, "exit_bar": leave, "equity": equity, "max_drawdown": np.array(deepest)}

    return run


def sweep(data: Arrays) -> Run:
    """Trade every point with the same kind of loop, the points on all cores."""
    columns, points = tuple(data["columns"]), data["points"]

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            trades, final, deepest = np.empty(len(points), np.int64), np.empty(len(points)), np.empty(len(points))
            _sweep(*columns, points, trades, final, deepest)
        return {"trades": trades, "final": final, "max_drawdown": deepest}

    return run


def shared_account(data: Arrays) -> Run:
    """Trade given signals of all symbols from one account, bar by bar; bars are the rows of its arrays."""
    opens, close = (np.ascontiguousarray(data["books"][:, row].T) for row in (OPEN, CLOSE))
    signals, hold = np.ascontiguousarray(data["signals"].T), int(data["exit_bar"][0] - data["entry_bar"][0])

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            equity, trades = np.empty(len(opens)), np.empty((opens.size, 3), np.int64)
            count, deepest = _trade_shared(opens, close, signals, hold, SLOTS, equity, trades)
            taken = trades[:count].T
            taken = taken[:, np.lexsort((taken[1], taken[0]))]
        return {"trades": taken, "equity": equity, "max_drawdown": np.array(deepest)}

    return run


@numba.njit(nogil=True)
def _trade(
    opens,
    high,
    low,
    close,
    volume,
    window,
    multiplier,
    body,
    hold,
    equity=None,
    entry=None,
    leave=None,
):
    """Fill equity and trades, unless they are None; return the trades, the final value and the maximum drawdown."""
    value = peak = 1.0
    deepest = total = units = 0.0
    exit_at = entry_at = -1
    count = 0
    for i in range(len(opens)):
        if i == exit_at:
            value, units = units * opens[i] * RECEIVED, 0.0
            if leave is not None:  # such a branch is not compiled if the argument is None
                leave[count] = i
            count += 1
        elif i == entry_at:
            units, exit_at = value / (opens[i] * PAID), i + hold
            if entry is not None:
                entry[count] = i
        worth = units * close[i] if units > 0.0 else value
        if equity is not None:
            equity[i] = worth
        peak = max(peak, worth)
        deepest = max(deepest, 1.0 - worth / peak)
        total += volume[i] - (volume[i - window] if i >= window else 0.0)
        if (
            units == 0.0
            and close[i] > opens[i]
            and (close[i] - opens[i]) / opens[i] >= body
            and (high[i] - close[i]) / opens[i] < 2 * body
            and (opens[i] - low[i]) / opens[i] < 2 * body
            and volume[i] >= multiplier * (total / min(i + 1, window))
        ):
            entry_at = i + 1
    return count, value, deepest


@numba.njit(parallel=True)
def _sweep(opens, high, low, close, volume, points, trades, final, deepest):
    for k in numba.prange(len(points)):
        window, multiplier, body, hold = points[k]
        trades[k], final[k], deepest[k] = _trade(
            opens, high, low, close, volume, int(window), multiplier, body, int(hold)
        )


@numba.njit(nogil=True)
def _trade_shared(opens, close, signals, hold, slots, equity, trades):
    """Fill equity and trades (symbol, entry and exit) as ``oracles.shared_account`` does; return their number."""
    n, symbols = opens.shape
    units, entered = np.zeros(symbols), np.full(symbols, -1)
    busy = np.zeros(symbols, np.bool_)
    cash = peak = 1.0
    deepest = 0.0
    count = held = 0
    for i in range(n):
        worth = 0.0
        for s in range(symbols):
            busy[s] = entered[s] >= 0
            if busy[s] and entered[s] + hold == i:
                cash += units[s] * opens[i, s] * RECEIVED
                trades[count] = s, entered[s], i
                count += 1
                held -= 1
                units[s], entered[s] = 0.0, -1
            elif busy[s]:
                worth += units[s] * close[i - 1, s]
        worth += cash
        if i > 0:
            for s in range(symbols):
                if signals[i - 1, s] and not busy[s] and held < slots:
                    spent = min(worth / slots, cash)
                    units[s], entered[s] = spent / (opens[i, s] * PAID), i
                    cash -= spent
                    held += 1
        total = cash
        for s in range(symbols):
            total += units[s] * close[i, s]
        equity[i] = total
        peak = max(peak, total)
        deepest = max(deepest, 1.0 - total / peak)
    return count, deepest


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
def _breakouts(high, low, volume, window, bins, share, factor):  # noqa: C901, PLR0912 - compiled, one loop
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
