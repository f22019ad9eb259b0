"""Inputs that more than one folder of tests needs."""

SLOW = """
import time
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Slow(Strategy[StrategyParams]):
    name = "slow"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 100:  # not when the look-ahead check or the registry tries it
            time.sleep(60)
        return Signals(entries=bars.close > bars.open, hold=1)
"""
