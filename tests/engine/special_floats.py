"""Program: run every kernel on bars of special floats; it ends only if all of them do.

A separate process, because a compiled loop that does not end cannot be interrupted.
"""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE, Bars
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.stress import break_even_rate
from coin_pipeline.engine.sweep import sweep
from coin_pipeline.strategies.builtin.volume_profile import is_breakout
from coin_pipeline.strategies.registry import load_registry
from tests.engine.candles import random_bars

ORDINARY = [0.0, -0.0, 1e-16, 1.0, np.nextafter(1, 2), 1e16, -1.0, MIN_PRICE, MAX_PRICE, MAX_VOLUME]
SPECIAL = np.array([*ORDINARY, 5e-324, 2.3e-308, 1e308, 1.7976931348623157e308, -1e308, np.inf, -np.inf, np.nan])
BARS = 40


def special_bars(random: np.random.Generator) -> Bars:
    """Return bars of special floats among ordinary ones, without any rule between their columns."""
    columns = np.where(random.random((5, BARS)) < 0.3, random.choice(SPECIAL, (5, BARS)), random.random((5, BARS)))
    return Bars(np.arange(BARS) * 60_000_000_000, *columns)


def kernel_calls(random: np.random.Generator) -> Iterator[Callable[[], object]]:
    """Yield calls of the strategies, the simulations and the figures on bars of special floats."""
    registry, bars, stops, costs = load_registry(), special_bars(random), Stops(0.1, 0.2, 0.3), Costs(0.001, 0.0002)
    signals = Signals(random.random(BARS) < 0.5, hold=2)
    for name in registry.names():
        points = [registry.resolve(name, params) for params in ({}, {"hold_period_bars": 3})]
        yield partial(registry.get(name).signals, bars, points[0])
        yield partial(registry.get(name).signal_rows, bars, points)
    for fill in Fill:
        yield partial(simulate, bars, signals, costs, fill, stops)
        yield partial(sweep, bars, SignalRows.of([signals]), [stops], costs, fill, Sizing())
    yield partial(break_even_rate, [random.choice(SPECIAL, 5)], 1.0)
    samples = simulate(random_bars(BARS, seed=1), signals, costs, Fill.NEXT_OPEN).samples
    books = [SymbolSamples.from_bars(name, bars, samples) for name in ("A", "B")]
    yield partial(simulate_shared_account, books, SharedRules(1, max_positions=1), [costs] * 2)
    for _ in range(100):
        columns, bins = np.ascontiguousarray(random.choice(SPECIAL, (3, 4))), int(random.integers(1, 200))
        yield partial(is_breakout, *columns, 3, 3, bins, *random.choice(SPECIAL, 3))


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)
    for seed in range(int(sys.argv[1])):
        for call in kernel_calls(np.random.default_rng(seed)):
            with contextlib.suppress(ArithmeticError, ValueError):  # an error is an end, too
                call()
    sys.stdout.write("ended\n")
