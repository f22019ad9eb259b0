"""Adapter for backtesting.py: one Python call per bar, one whole coin per trade, slippage on entries only."""

import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import FEE, SLIPPAGE
from benchmarks.signals import compute_signals, single_point

PACKAGES = ("backtesting", "numpy", "pandas")
CASH = 1e12
DECISION = -1
"""Offset of signals from their fills: they are on the previous bar, where they are decided."""


def one_strategy(data: Arrays) -> Run:
    """Compute the signals of one strategy and trade them; decisions are filled at the next open."""
    names = ("Open", "High", "Low", "Close", "Volume")
    table = pd.DataFrame(dict(zip(names, data["columns"], strict=True)), pd.DatetimeIndex(data["time"]))
    chunks = compute_signals(data, 1, DECISION)

    class LongCandles(Strategy):
        def init(self) -> None:
            self.bar = 0  # next() is first called for the second bar
            self.buys, self.sells = (marks.tolist() for marks in single_point(chunks))

        def next(self) -> None:
            self.bar += 1
            if self.buys[self.bar]:
                self.buy(size=1)
            elif self.sells[self.bar]:
                self.position.close()

    def run(watch: Stopwatch) -> Arrays:
        with watch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about high prices
            stats = Backtest(table, LongCandles, cash=CASH, commission=FEE, spread=SLIPPAGE).run()
        trades = stats["_trades"]
        bars = {"entry_bar": trades["EntryBar"].to_numpy(), "exit_bar": trades["ExitBar"].to_numpy()}
        return bars | {"profit_of_one_coin": np.array(trades["PnL"].sum())}

    return run
