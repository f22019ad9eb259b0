"""Trading strategies: named rules with typed parameters. Custom strategies import everything they need from here."""

from pydantic import Field

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.languages import Text
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.plot import PlotLine

__all__ = ["Bars", "Field", "PlotLine", "SignalRows", "Signals", "Strategy", "StrategyParams", "Text"]
