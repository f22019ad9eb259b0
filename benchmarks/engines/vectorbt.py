"""Adapter for vectorbt: columns of boolean signals, orders filled at the given price, in numba."""

import numpy as np
import pandas as pd
import vectorbt

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import CLOSE, FEE, OPEN, SLIPPAGE, Floats
from benchmarks.signals import Chunks, compute_signals, precompute, signals_of_trades, single_point

vectorbt.settings["engine"] = "numba"
PACKAGES = ("vectorbt", "numba", "numpy", "pandas")
CASH = 1e32
"""Costs of tens of thousands of consecutive trades shrink an account below what the engine treats as zero."""
SHARED_CASH = 1e7
CHUNK = 25
SETTINGS = {"fees": FEE, "slippage": SLIPPAGE, "upon_long_conflict": "exit"}


def one_strategy(data: Arrays) -> Run:
    """Compute the signals of one strategy and trade them."""
    return _one(data, compute_signals(data, 1))


def one_strategy_given(data: Arrays) -> Run:
    """Trade given signals."""
    return _one(data, precompute(signals_of_trades(data, 1)))


def sweep(data: Arrays) -> Run:
    """Compute the signals of every point and trade them."""
    return _sweep(data, compute_signals(data, CHUNK))


def sweep_given(data: Arrays) -> Run:
    """Trade given rows of signals."""
    return _sweep(data, precompute(signals_of_trades(data, CHUNK)))


def shared_account(data: Arrays) -> Run:
    """Trade all symbols from one account, sales before buys; the trades and their sizes in coins are given."""
    index = pd.DatetimeIndex(data["time"])
    opens, close = (pd.DataFrame(np.ascontiguousarray(data["books"][:, row].T), index) for row in (OPEN, CLOSE))
    entries, exits, coins = np.zeros((3, *close.shape))
    entries[data["entry_bar"], data["symbol"]] = exits[data["exit_bar"], data["symbol"]] = 1
    coins[data["entry_bar"], data["symbol"]] = data["coins"] * SHARED_CASH
    signals = [pd.DataFrame(marks.astype(bool), index) for marks in (entries, exits)]
    account = {"init_cash": SHARED_CASH, "cash_sharing": True, "group_by": True, "call_seq": "auto"}

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            portfolio = vectorbt.Portfolio.from_signals(
                close, *signals, price=opens, size=coins, freq="1h", **account, **SETTINGS
            )
            trades = portfolio.trades.records
            equity = portfolio.value().to_numpy()
            deepest = _max_drawdown(equity)
        listed = trades[["col", "entry_idx", "exit_idx"]].sort_values(["col", "entry_idx"]).to_numpy().T
        return {"trades": listed, "equity": equity / SHARED_CASH, "max_drawdown": deepest}

    return run


def _one(data: Arrays, chunks: Chunks) -> Run:
    """Signals are on the bars of their fills; the price is the open."""
    index = pd.DatetimeIndex(data["time"])
    opens, close = (pd.Series(data["columns"][row], index) for row in (OPEN, CLOSE))

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            signals = [pd.Series(marks, index) for marks in single_point(chunks)]
            portfolio = vectorbt.Portfolio.from_signals(
                close, *signals, price=opens, size=np.inf, init_cash=CASH, freq="1min", **SETTINGS
            )
            trades = portfolio.trades.records
            equity = portfolio.value().to_numpy() / CASH
            deepest = _max_drawdown(equity)
        bars = {"entry_bar": trades["entry_idx"].to_numpy(), "exit_bar": trades["exit_idx"].to_numpy()}
        return bars | {"equity": equity, "max_drawdown": deepest}

    return run


def _sweep(data: Arrays, chunks: Chunks) -> Run:
    """Trade ``CHUNK`` columns at a time."""
    index = pd.DatetimeIndex(data["time"])
    opens, close = (pd.Series(data["columns"][row], index) for row in (OPEN, CLOSE))

    def run(watch: Stopwatch) -> Arrays:
        table = []
        with watch:
            for rows in chunks():
                signals = [pd.DataFrame(np.ascontiguousarray(marks.T), index) for marks in rows]
                portfolio = vectorbt.Portfolio.from_signals(
                    close, *signals, price=opens, size=np.inf, init_cash=CASH, freq="1min", **SETTINGS
                )
                table.append((portfolio.trades.count(), portfolio.total_return(), portfolio.max_drawdown()))
        trades, total_return, drawdown = (np.concatenate(column) for column in zip(*table, strict=True))
        return {"trades": trades, "final": 1 + total_return, "max_drawdown": -drawdown}

    return run


def _max_drawdown(equity: Floats) -> float:
    """Compute it from the existing curve; vectorbt's own method recomputes the curve, which takes longer."""
    return float(np.max(1 - equity / np.maximum.accumulate(equity)))
