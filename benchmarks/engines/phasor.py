"""Adapter for phasor-trader: columns of boolean signals, orders filled at the given price, in Rust, on all cores."""

import os

import numpy as np
import phasor

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import CLOSE, FEE, OPEN, SLIPPAGE
from benchmarks.signals import Chunks, compute_signals, precompute, signals_of_trades, single_point

PACKAGES = ("phasor-trader", "numpy")
CASH = 1e32
"""Costs of tens of thousands of consecutive trades shrink an account below what the engine treats as zero."""
SHARED_CASH = 1e7
CHUNK = 50
SETTINGS = {"fees": FEE, "slippage": SLIPPAGE, "threads": os.cpu_count() or 1}


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
    opens, close = (np.asfortranarray(data["books"][:, row].T) for row in (OPEN, CLOSE))
    entries, exits, coins = np.zeros((3, *close.shape), order="F")
    entries[data["entry_bar"], data["symbol"]] = exits[data["exit_bar"], data["symbol"]] = 1
    coins[data["entry_bar"], data["symbol"]] = data["coins"] * SHARED_CASH
    signals = entries.astype(bool), exits.astype(bool)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            portfolio = phasor.from_signals(
                close,
                *signals,
                price=opens,
                size=coins,
                init_cash=SHARED_CASH,
                cash_sharing=True,
                call_seq="auto",
                **SETTINGS,
            )
            equity = portfolio.value(group=0)
            deepest = np.abs(portfolio.drawdowns()["drawdown"]).max()
            trades = portfolio.trades()
        listed = np.stack([trades[key] for key in ("col", "entry_idx", "exit_idx")])
        listed = listed[:, np.lexsort((listed[1], listed[0]))]
        return {"trades": listed, "equity": equity / SHARED_CASH, "max_drawdown": deepest}

    return run


def _one(data: Arrays, chunks: Chunks) -> Run:
    """Signals are on the bars of their fills; the price is the open."""
    opens, close = data["columns"][OPEN][:, None], data["columns"][CLOSE]

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            portfolio = phasor.from_signals(
                close, *single_point(chunks), price=opens, size=np.inf, init_cash=CASH, **SETTINGS
            )
            equity = portfolio.value(0)
            deepest = np.abs(portfolio.drawdowns()["drawdown"]).max()
            trades = portfolio.trades()
        bars = {"entry_bar": trades["entry_idx"], "exit_bar": trades["exit_idx"]}
        return bars | {"equity": equity / CASH, "max_drawdown": deepest}

    return run


def _sweep(data: Arrays, chunks: Chunks) -> Run:
    """Trade ``CHUNK`` columns at a time that share one price series."""
    opens, close = data["columns"][OPEN][:, None], data["columns"][CLOSE]

    def run(watch: Stopwatch) -> Arrays:
        table = []
        with watch:
            for rows in chunks():
                columns = [np.asfortranarray(marks.T) for marks in rows]
                prices = np.broadcast_to(opens, columns[0].shape)
                same_prices = np.zeros(prices.shape[1], np.int64)
                portfolio = phasor.from_signals(
                    close, *columns, price=prices, size=np.inf, init_cash=CASH, column_map=same_prices, **SETTINGS
                )
                table.append((portfolio.trade_count(), portfolio.total_return(), portfolio.max_drawdown()))
        trades, total_return, drawdown = (np.concatenate(column) for column in zip(*table, strict=True))
        return {"trades": trades, "final": 1 + total_return, "max_drawdown": -drawdown}

    return run
