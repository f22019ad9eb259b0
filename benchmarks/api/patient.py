"""A strategy file of the platform that is measured: its runs are under way for a minute and use no processor."""

import time

from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

TRIED = 100
"""Bars of the longest series on which the registry and the look-ahead check try a strategy."""


class Patient(Strategy[StrategyParams]):
    """Waits, then buys after each bar that rose."""

    name = "patient"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:  # noqa: ARG002 - has none
        """Wait where it is a run that asks."""
        if len(bars) > TRIED:
            time.sleep(60)
        return Signals(entries=bars.close > bars.open, hold=1)
