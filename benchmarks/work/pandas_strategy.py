"""Strategy file as users write them: means of closes in pandas, computed for every parameter point."""

import numpy as np
import pandas as pd

from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams


class MeansParams(StrategyParams):
    """Parameters of ``pandas_means``."""

    fast: int = 10
    slow: int = 50


class PandasMeans(Strategy[MeansParams]):
    """Buy when the fast mean crosses above the slow mean, exit when it is below."""

    name = "pandas_means"
    Params = MeansParams

    def signals(self, bars: Bars, params: MeansParams) -> Signals:
        """Compare two moving averages."""
        close = pd.Series(bars.close)
        above = close.rolling(params.fast).mean() > close.rolling(params.slow).mean()
        crossed = above & ~above.shift(fill_value=False)
        return Signals(np.asarray(crossed), exits=np.asarray(~above))
