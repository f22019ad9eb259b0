"""How kernels are compiled."""

import importlib
import pkgutil

from numba.core.dispatcher import Dispatcher

import coin_pipeline.engine
import coin_pipeline.strategies
from coin_pipeline.engine.fills import Costs, Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.strategies.warm import warm_up
from tests.engine.candles import random_bars


def kernels() -> dict[str, tuple[str, Dispatcher]]:
    """List every kernel that a module of the engine or the strategies can call."""
    found = {}
    for package in (coin_pipeline.engine, coin_pipeline.strategies):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, Dispatcher):
                    found[f"{info.name}.{name}"] = (info.name, value)
    return found


def test_no_kernel_is_called_from_another_module() -> None:
    """Stored machine code cannot go stale, because a kernel and all that it calls live in one file."""
    assert len(kernels()) > 3
    assert {name for name, (module, used) in kernels().items() if used.py_func.__module__ != module} == set()


def test_after_warming_up_nothing_is_compiled() -> None:
    """Backtests with other params, fills and bars use the code that the warm-up compiled."""
    warm_up()
    compiled = {name: list(used.signatures) for name, (_, used) in kernels().items()}
    bars, registry = random_bars(300, seed=1), load_registry()
    given = {"volume_long_candle": {"vol_multiplier": 1}, "volume_zone_breakout": {"include_wicks": False}}
    for name, params in given.items():
        signals = registry.get(name).signals(bars.head(200), registry.resolve(name, params))
        for fill in Fill:
            simulate(bars.head(200), signals, Costs(0, 0), fill)
    assert compiled == {name: list(used.signatures) for name, (_, used) in kernels().items()}
    assert {name for name, signatures in compiled.items() if len(signatures) > 1} == set()
