"""A strategy whose decisions depend on all earlier candles."""

import numpy as np

from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies import Bars, Field, Strategy, StrategyParams


class Span(StrategyParams):
    """Length of an average."""

    span: int = Field(20, ge=1)


class AboveEma(Strategy[Span]):
    """Recursive: every decision depends on all earlier candles, the distant ones less and less."""

    name = "above_ema"
    Params = Span

    def signals(self, bars: Bars, params: Span) -> Signals:
        """Hold while the close is above its exponential average."""
        average, level = np.empty(len(bars)), bars.close[0]
        for bar, close in enumerate(bars.close):
            level += 2 / (params.span + 1) * (close - level)
            average[bar] = level
        above = bars.close > average
        return Signals(above, exits=~above)

    def warm_up_bars(self, params: Span) -> int:
        """Declare the span, which is too little."""
        return params.span
