"""Compile every kernel once: ``python -m coin_pipeline.strategies.precompile`` fills numba's cache at set-up."""

import numpy as np

from coin_pipeline.engine import shared_account
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import sweep
from coin_pipeline.strategies.loader import run_plot, run_strategy
from coin_pipeline.strategies.registry import BUILT_IN


def compile_kernels() -> None:
    """Run and plot every built-in strategy, a simulation, a sweep and a shared account on a few bars.

    Later calls, in this process and in others, load the machine code from the cache.
    """
    price = np.linspace(100.0, 101.0, 32)
    bars = Bars(np.arange(32), price, price + 1, price - 1, price + 0.5, price)
    costs, stops, sizing = Costs(0.0, 0.0), Stops(stop_loss=0.5), Sizing()
    for strategy_class in BUILT_IN:
        strategy = strategy_class()
        params = strategy.Params()
        simulate(bars, run_strategy(strategy, bars, params, "warm-up"), costs, Fill.NEXT_OPEN, stops, sizing)
        run_plot(strategy, bars, params, "warm-up")
        sweep(bars, strategy.signal_rows(bars, [params]), [stops], costs, Fill.NEXT_OPEN, sizing)
    overlapping = SignalRows.of([Signals(price > 0.0)])  # an account holds few of the bars that its signals could hold
    sweep(bars, overlapping, None, costs, Fill.NEXT_OPEN, sizing)
    shared_account.compile_kernels()


if __name__ == "__main__":
    compile_kernels()
