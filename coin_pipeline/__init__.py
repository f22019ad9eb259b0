"""Crypto backtests orchestrated by Dagster: every run recorded, reproducible and honestly costed.

From Python, without Dagster or a database:

>>> import coin_pipeline as cp
>>> cp.run_backtest("volume_zone_breakout", cp.example_candles(), fee_rate=0.0005)
<BacktestRun volume_zone_breakout: Total return ...>

Names load on first use, so that `import coin_pipeline` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.notebook.backtest import BacktestRun, run_backtest
    from coin_pipeline.notebook.candles import example_candles
    from coin_pipeline.notebook.imports import import_candles
    from coin_pipeline.notebook.stored import load_result
    from coin_pipeline.notebook.sweep import SweepRun, sweep
    from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

__version__ = "0.1.0"

__all__ = [
    "BacktestRun",
    "Bars",
    "CandleCatalog",
    "Field",
    "Signals",
    "Strategy",
    "StrategyParams",
    "SweepRun",
    "example_candles",
    "import_candles",
    "load_result",
    "run_backtest",
    "sweep",
]

_MODULES = {
    "BacktestRun": "notebook.backtest",
    "Bars": "strategies",
    "CandleCatalog": "candles.catalog",
    "Field": "strategies",
    "Signals": "strategies",
    "Strategy": "strategies",
    "StrategyParams": "strategies",
    "SweepRun": "notebook.sweep",
    "example_candles": "notebook.candles",
    "import_candles": "notebook.imports",
    "load_result": "notebook.stored",
    "run_backtest": "notebook.backtest",
    "sweep": "notebook.sweep",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
