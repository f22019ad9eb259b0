"""Compiles every kernel once: ``python -m coin_pipeline.strategies.warm`` fills the cache at set-up."""

import numpy as np

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.fills import Costs, Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.strategies.registry import BUILT_IN
from coin_pipeline.strategies.user_code import run_strategy


def warm_up() -> None:
    """Run every built-in strategy and a simulation on a few bars, so that no later call waits for the compiler."""
    price = np.linspace(100.0, 101.0, 32)
    bars = Bars(np.arange(32), price, price + 1, price - 1, price + 0.5, price)
    for strategy_class in BUILT_IN:
        strategy = strategy_class()
        signals = run_strategy(strategy, bars, strategy.Params(), "warm-up")
        strategy.signal_rows(bars, [strategy.Params()])
        simulate(bars, signals, Costs(0.0, 0.0), Fill.NEXT_OPEN)


if __name__ == "__main__":
    warm_up()
