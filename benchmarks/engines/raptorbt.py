"""Adapter for raptorbt: boolean signals on their decision bars, filled at the next open, in Rust, on all cores."""

import numpy as np
import raptorbt

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import FEE, SLIPPAGE, SLOTS
from benchmarks.signals import Chunks, compute_signals, precompute, signals_of_trades, single_point, to_mask

PACKAGES = ("raptorbt", "numpy")
DECISION = -1
"""Offset of signals from their fills: they are on the previous bar, where they are decided."""
CASH = 1e9
CHUNK = 50
"""Points per batch: each result keeps its curves, so larger batches need gigabytes and are slower."""


def one_strategy(data: Arrays) -> Run:
    """Compute the signals of one strategy and trade them."""
    return _one(data, compute_signals(data, 1, DECISION))


def one_strategy_given(data: Arrays) -> Run:
    """Trade given signals."""
    return _one(data, precompute(signals_of_trades(data, 1, DECISION)))


def sweep(data: Arrays) -> Run:
    """Compute the signals of every point and trade them."""
    return _sweep(data, compute_signals(data, CHUNK, DECISION))


def sweep_given(data: Arrays) -> Run:
    """Trade given rows of signals."""
    return _sweep(data, precompute(signals_of_trades(data, CHUNK, DECISION)))


def shared_account(data: Arrays) -> Run:
    """Trade all symbols with its portfolio runner; each entry gets an equal share of the cash of the free slots."""
    n = len(data["time"])
    books = []
    for symbol, columns in enumerate(data["books"]):
        own = data["symbol"] == symbol
        signals = (to_mask(n, data[key][own] + DECISION) for key in ("entry_bar", "exit_bar"))
        books.append((data["time"], *columns, *signals, 1, 1.0, str(symbol)))

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            outcome = raptorbt.run_portfolio_backtest(books, _config(max_positions=SLOTS))
            result = outcome.result
            equity, deepest, trades = result.equity_curve(), result.metrics.max_drawdown_pct / 100, result.trades()
        listed = sorted((int(trade.symbol), trade.entry_idx, trade.exit_idx) for trade in trades)
        return {"trades": np.array(listed).T, "equity": equity / CASH, "max_drawdown": deepest}

    return run


def _one(data: Arrays, chunks: Chunks) -> Run:
    def run(watch: Stopwatch) -> Arrays:
        with watch:
            result = raptorbt.run_single_backtest(
                data["time"], *data["columns"], *single_point(chunks), config=_config()
            )
            equity, deepest, trades = result.equity_curve(), result.metrics.max_drawdown_pct / 100, result.trades()
        bars = {
            "entry_bar": np.array([trade.entry_idx for trade in trades]),
            "exit_bar": np.array([trade.exit_idx for trade in trades]),
        }
        return bars | {"equity": equity / CASH, "max_drawdown": deepest}

    return run


def _sweep(data: Arrays, chunks: Chunks) -> Run:
    """Trade the points in batches that share one price series."""

    def run(watch: Stopwatch) -> Arrays:
        table = []
        with watch:
            for rows in chunks():
                items = [raptorbt.BatchSingleItem("", *signals) for signals in zip(*rows, strict=True)]
                results = raptorbt.batch_single_backtest(data["time"], *data["columns"], items, _config())
                metrics = [result.metrics for _, result in results]
                table += [(m.total_trades, m.end_value / CASH, m.max_drawdown_pct / 100) for m in metrics]
        trades, final, drawdown = (np.array(column) for column in zip(*table, strict=True))
        return {"trades": trades, "final": final, "max_drawdown": drawdown}

    return run


def _config(max_positions: int | None = None) -> raptorbt.BacktestConfig:
    return raptorbt.BacktestConfig(
        initial_capital=CASH, fees=FEE, slippage=SLIPPAGE, fill_timing="next_bar_open", max_positions=max_positions
    )
