"""Strategy file for the platform under test: its runs last a minute and use no CPU."""

import time

from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

CHECK_BARS = 100
"""Maximum length of the series on which the registry and the look-ahead check try a strategy."""


class Slow(Strategy[StrategyParams]):
    """Sleep, then buy after each bar that rose."""

    name = "slow"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:  # noqa: ARG002 - has none
        """Sleep if called by a run."""
        if len(bars) > CHECK_BARS:
            time.sleep(60)
        return Signals(entries=bars.close > bars.open, hold=1)
