"""Inputs of the engines, and the expected results."""

from functools import cache
from itertools import pairwise, product

import numpy as np

from benchmarks import oracles
from benchmarks.candles import Market, generate_candles, open_times
from benchmarks.engines.textbook import breakouts
from benchmarks.measuring import Arrays
from benchmarks.oracles import Floats

WARM_BARS = 2_000
"""Bars of the warm-up run of every engine, so that compilation is not timed."""
HOURS = 8_760
SHARED_POINT = np.array([20, 2.0, 0.008, 24])
SHARE, BINS = 0.2, 20


def grid(count: int) -> Floats:
    """Return window, multiplier, body and hold of 1, 1,000 or 10,000 points, float64, shape (count, 4)."""
    if count == 1:
        return np.array([[20, 2.0, 0.002, 30]])
    windows, finer = {1_000: ([10, 20, 40, 60], 1), 10_000: ([10, 15, 20, 25, 30, 40, 50, 60, 90, 120], 2)}[count]
    multipliers, bodies = np.linspace(1.5, 4.0, 10 * finer), np.linspace(0.001, 0.003, 5 * finer)
    return np.array(list(product(windows, multipliers, bodies, [5, 10, 30, 60, 120])))


def zone_grid() -> Floats:
    """Return window, share, buffer and hold of 10,000 points, float64, shape (10,000, 4)."""
    windows, holds = [10, 20, 30, 45, 60, 80, 100, 130, 160, 200], [5, 10, 15, 20, 30, 45, 60, 90, 120, 240]
    return np.array(list(product(windows, np.linspace(0.05, 0.5, 10), np.linspace(0.0, 0.0045, 10), holds)))


def minutes(n: int, seed: int) -> Arrays:
    """Return one-minute candles."""
    return {"time": open_times(n, Market()), "columns": generate_candles(n, seed, Market())}


@cache
def long_candles(n: int, count: int) -> Arrays:
    """Return candles, points of ``volume_long_candle`` and their fills; point k has ``ends[k]`` to ``ends[k + 1]``."""
    data, points = minutes(n, seed=7), grid(count)
    has_shape = cache(lambda body: oracles.long_shape(data["columns"], body))
    fills = [
        oracles.trades(has_shape(body) & oracles.high_volume(data["columns"], int(window), multiplier), int(hold))
        for window, multiplier, body, hold in points
    ]
    entry, leave = (np.concatenate(bars) for bars in zip(*fills, strict=True))
    ends = np.cumsum([0, *(len(bars) for bars, _ in fills)])
    return data | {"points": points, "entry_bar": entry, "exit_bar": leave, "ends": ends}


def curve(data: Arrays) -> Arrays:
    """Return the trades and the equity of the only point."""
    columns, entry, leave = data["columns"], data["entry_bar"], data["exit_bar"]
    equity = oracles.account(columns, entry, leave)
    return {
        "entry_bar": entry,
        "exit_bar": leave,
        "equity": equity,
        "max_drawdown": np.array(oracles.max_drawdown(equity)),
        "profit_of_one_coin": np.array(oracles.profit_of_one_coin(columns, entry, leave)),
    }


def trial_table(data: Arrays) -> Arrays:
    """Return the number of trades, the final value and the maximum drawdown of each point."""
    ends = data["ends"]
    trials = []
    for start, end in pairwise(ends):
        equity = oracles.account(data["columns"], data["entry_bar"][start:end], data["exit_bar"][start:end])
        trials.append((end - start, equity[-1], oracles.max_drawdown(equity)))
    return {
        key: np.array(column)
        for key, column in zip(("trades", "final", "max_drawdown"), zip(*trials, strict=True), strict=True)
    }


def books(n: int, symbols: int) -> Arrays:
    """Return hourly candles of many symbols and the trades of a shared account, with the size of each in coins."""
    markets = [Market(minutes=60, price=100.0 * (1 + k), tick=0.01) for k in range(symbols)]
    columns = np.stack([generate_candles(n, 100 + k, market) for k, market in enumerate(markets)])
    window, multiplier, body, hold = SHARED_POINT
    signals = np.stack([oracles.long_candles(book, int(window), multiplier, body) for book in columns])
    trades, equity = oracles.shared_account(columns, signals, int(hold), oracles.SLOTS)
    listed = [np.array(column) for column in zip(*sorted(trades), strict=True)]
    data = dict(zip(("symbol", "entry_bar", "exit_bar", "coins"), listed, strict=True))
    return data | {"time": open_times(n, markets[0]), "books": columns, "signals": signals, "equity": equity}


def shared_curve(data: Arrays) -> Arrays:
    """Return the trades of the shared account in symbol order, and its equity."""
    trades = np.stack([data["symbol"], data["entry_bar"], data["exit_bar"]])
    deepest = np.array(oracles.max_drawdown(data["equity"]))
    return {"trades": trades, "equity": data["equity"], "max_drawdown": deepest}


def zone(n: int, window: int) -> Arrays:
    """Return candles and the settings of ``volume_zone_breakout``; the first bars are checked with bins in Python."""
    settings = {"window": window, "bins": BINS, "share": SHARE, "checked": 1_000 + window}
    return minutes(n, seed=9) | {name: np.array(value) for name, value in settings.items()}


def zone_signals(data: Arrays) -> Arrays:
    """Return the first signals, computed in plain Python, and all signals, computed by the textbook kernel."""
    columns, window = data["columns"], int(data["window"])
    filled = oracles.breakouts(columns[:, : data["checked"]], window, BINS, SHARE, 0.0)
    return {"first_bars": filled, "entries": breakouts(columns, window, BINS, SHARE, 1.0)}


def zone_points(n: int, step: int) -> Arrays:
    """Return candles, every ``step``-th point of the zone sweep, and the indices of the points to check."""
    points = zone_grid()[::step]
    checked = np.sort(np.random.default_rng(1).choice(len(points), min(24, len(points)), replace=False))
    return minutes(n, seed=9) | {"points": points, "checked": checked}


def zone_table(data: Arrays) -> Arrays:
    """Return the trial table of the points to check."""
    entry, leave = [], []
    for window, share, buffer, hold in data["points"][data["checked"]]:
        bought, sold = oracles.trades(breakouts(data["columns"], int(window), BINS, share, 1 + buffer), int(hold))
        entry.append(bought)
        leave.append(sold)
    fills = {"entry_bar": np.concatenate(entry), "exit_bar": np.concatenate(leave)}
    return trial_table(data | fills | {"ends": np.cumsum([0, *map(len, entry)])})
