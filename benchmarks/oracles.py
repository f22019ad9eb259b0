"""Expected results: the workloads computed step by step in plain Python and numpy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Trade: TypeAlias = tuple[int, int, int, float]  # symbol, entry bar, exit bar, coins

FEE, SLIPPAGE = 0.001, 0.0002
SLOTS = 100
"""Maximum number of open positions of the shared account."""
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
TOLERANCE = 1e-9
REACHED_FACTOR = 1.0 - 1e-12
"""Factor on a required share or price: one that is missed only by rounding counts as reached, as in the strategy."""


def find_difference(
    result: Mapping[str, npt.ArrayLike], expected: Mapping[str, npt.ArrayLike], keys: Iterable[str]
) -> str:
    """Return a description of the first difference, or "" if the results are equal.

    Integers and booleans must be equal, floats within a relative 1e-9.
    """
    for key in keys:
        if key not in result:
            return f"does not provide {key}"
        actual, reference = np.asarray(result[key]), np.asarray(expected[key])
        if actual.shape != reference.shape:
            return f"{key}: shape {actual.shape} instead of {reference.shape}"
        inexact = reference.dtype.kind == "f"
        wrong = ~np.isclose(actual, reference, rtol=TOLERANCE, atol=0.0) if inexact else actual != reference
        if wrong.any():
            i = np.flatnonzero(wrong)[0]
            values = f"first {actual.flat[i]} instead of {reference.flat[i]}"
            return f"{key}: {wrong.sum()} of {reference.size} differ, {values}"
    return ""


def long_candles(columns: Floats, window: int, multiplier: float, body: float) -> Bools:
    """Return the signals of ``volume_long_candle``."""
    return long_shape(columns, body) & high_volume(columns, window, multiplier)


def long_shape(columns: Floats, body: float) -> Bools:
    """Return a mask of the candles that are long, rise, and have short wicks."""
    opens, high, low, close = columns[:VOLUME]
    rising = (close > opens) & ((close - opens) / opens >= body)
    fits: Bools = rising & ((high - close) / opens < 2 * body) & ((opens - low) / opens < 2 * body)
    return fits


def high_volume(columns: Floats, window: int, multiplier: float) -> Bools:
    """Return a mask of the bars with a high volume relative to the last ``window`` bars (fewer at the start)."""
    volume = columns[VOLUME]
    summed = np.concatenate([np.zeros(window), np.cumsum(volume)])  # the zeros are the bars before the first
    mean = (summed[window:] - summed[:-window]) / np.minimum(np.arange(1, len(volume) + 1), window)
    enough: Bools = volume >= multiplier * mean
    return enough


def trades(entries: Bools, hold: int) -> tuple[Ints, Ints]:
    """Return the bars of the entry and exit fills of an account that holds one position at a time."""
    taken, free = [], 0
    for bar in np.flatnonzero(entries).tolist():
        if bar >= free:
            free = bar + 1 + hold
            taken.append(bar + 1)
    entry = np.array(taken, np.int64)
    return entry, entry + hold


def account(columns: Floats, entry: Ints, leave: Ints) -> Floats:
    """Return the equity at each close, starting from 1.0, of an account that invests everything in each trade."""
    opens, close = columns[OPEN], columns[CLOSE]
    paid = opens[entry] * (1 + SLIPPAGE) * (1 + FEE)
    received = opens[leave] * (1 - SLIPPAGE) * (1 - FEE)
    value = np.cumprod(np.concatenate([[1.0], received / paid]))
    equity = np.repeat(value, np.diff(np.concatenate([[0], leave, [len(close)]])))
    lengths = leave - entry
    held = np.repeat(entry - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    equity[held] = np.repeat(value[:-1] / paid, lengths) * close[held]
    return equity


def max_drawdown(equity: Floats) -> float:
    """Return the largest fall from the running maximum, the initial 1.0 included."""
    return float(np.max(1 - equity / np.maximum.accumulate(np.maximum(equity, 1.0))))


def profit_of_one_coin(columns: Floats, entry: Ints, leave: Ints) -> float:
    """Return the profit with one coin per trade and slippage on the entries only."""
    opens = columns[OPEN]
    return float(np.sum(opens[leave] * (1 - FEE) - opens[entry] * (1 + SLIPPAGE) * (1 + FEE)))


def shared_account(books: Floats, signals: Bools, hold: int, slots: int) -> tuple[list[Trade], Floats]:
    """Trade many symbols from one account that starts with 1.0, bar by bar.

    At each open, it first sells the positions that are due, then buys on the decisions of the previous close, in symbol
    order, if the symbol was not held and fewer than ``slots`` positions are open. Every buy at an open spends
    ``1 / slots`` of the cash after the sales plus the positions at their last closes, or the remaining cash.

    Args:
        books: Columns of each symbol, shape (symbols, 5, n).
        signals: Decisions at the closes, bool, shape (symbols, n).
        hold: Bars from entry to exit.
        slots: Maximum number of open positions.

    Returns:
        The trades in order of exit, and the equity at each close, shape (n,).
    """
    opens, close = books[:, OPEN], books[:, CLOSE]
    completed: list[Trade] = []
    held: dict[int, tuple[int, float]] = {}
    cash, equity = 1.0, []
    for bar in range(books.shape[2]):
        before = set(held)
        for symbol in [s for s, (entry, _) in held.items() if entry + hold == bar]:
            entry, coins = held.pop(symbol)
            cash += coins * opens[symbol, bar] * (1 - SLIPPAGE) * (1 - FEE)
            completed.append((symbol, entry, bar, coins))
        worth = cash + sum(coins * close[symbol, bar - 1] for symbol, (_, coins) in held.items())
        for symbol in np.flatnonzero(signals[:, bar - 1]).tolist() if bar else ():
            if symbol not in before and len(held) < slots:
                spent = min(worth / slots, cash)
                held[symbol] = (bar, spent / (opens[symbol, bar] * (1 + SLIPPAGE) * (1 + FEE)))
                cash -= spent
        equity.append(cash + sum(coins * close[symbol, bar] for symbol, (_, coins) in held.items()))
    return completed, np.array(equity)


def breakouts(columns: Floats, window: int, bins: int, share: float, buffer: float) -> Bools:
    """Return the signals of ``volume_zone_breakout``, computed by actually filling the bins."""
    high, low, volume = (columns[row].tolist() for row in (HIGH, LOW, VOLUME))
    signals = [False] * len(high)
    for bar in range(window, len(high)):
        past = slice(bar - window, bar)
        level = zone(high[past], low[past], volume[past], bins, share)
        signals[bar] = level is not None and high[bar] >= level * (1 + buffer) * REACHED_FACTOR
    return np.array(signals)


def zone(high: Sequence[float], low: Sequence[float], volume: Sequence[float], bins: int, share: float) -> float | None:
    """Return the lower edge of the bin where the volume, from the top down, reaches its share; None without volume."""
    bottom, top = min(low), max(high)
    if bottom == top or not any(volume):
        return None
    edges = [bottom + (top - bottom) * j / bins for j in range(bins)] + [top]
    filled = [0.0] * bins
    for h, b, v in zip(high, low, volume, strict=True):
        if h == b:
            filled[max(j for j in range(bins) if edges[j] * REACHED_FACTOR <= h)] += v
            continue
        for j in range(bins):
            overlap = min(h, edges[j + 1]) - max(b, edges[j])
            filled[j] += v * max(overlap, 0.0) / (h - b)
    total = running = 0.0
    for amount in filled:
        total += amount
    for j in reversed(range(bins)):
        running += filled[j]
        if running >= share * total * REACHED_FACTOR:
            return edges[j]
    raise AssertionError("the sum of all bins is less than the total volume")
