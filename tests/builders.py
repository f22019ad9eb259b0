"""Strategy sources shared by several test folders."""

SLOW_STRATEGY = """
import time
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Slow(Strategy[StrategyParams]):
    name = "slow"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:  # the registry and the look-ahead check use fewer bars
            time.sleep(60)
        return Signals(entries=bars.close > bars.open, hold=1)
"""

ENDLESS_STRATEGIES = """
import time
import numba
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

@numba.njit
def spin(x):
    while x < 2.0:
        x = x * 0.5
    return x

class Endless(Strategy[StrategyParams]):
    name = "endless"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:  # the registry and the look-ahead check use fewer bars
            self.wait()
        return Signals(entries=bars.close > bars.open, hold=1)

class Sleeps(Endless):
    name = "sleeps"

    def wait(self) -> None:
        time.sleep(3600)

class Loops(Endless):
    name = "loops"

    def wait(self) -> None:
        while True:
            pass

class Compiled(Endless):
    name = "compiled"

    def wait(self) -> None:
        spin(1.0)
"""
"""Strategies that never return, each in another way; the compiled loop holds the interpreter lock."""

STEADY_STRATEGY = """
import time
from pathlib import Path
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    every: int = Field(2, ge=2, le=1000)

class Steady(Strategy[Params]):
    name = "steady"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        if len(bars) > 300:  # the registry and the look-ahead check use fewer bars
            time.sleep(0.01)
            with (Path(__file__).parent / "calls").open("a") as calls:
                calls.write(f"{params.every}\\n")
        return Signals(entries=bars.time // 10**9 % params.every == 0, hold=1)
"""

TALKATIVE_STRATEGY = """
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Talkative(Strategy[StrategyParams]):
    name = "talkative"
    Params = StrategyParams

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        print(f"seen {len(bars)} bars")
        return Signals(entries=bars.time // 10**9 % 2 == 0, hold=1)
"""
"""Prints in every call."""

MEMORY_HUNGRY_STRATEGY = """
import numpy as np
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Greedy(Strategy[StrategyParams]):
    name = "greedy"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:
            np.ones(100 * 2**30 // 8)
        return Signals(entries=bars.close > bars.open, hold=1)
"""

SPINNING_STRATEGY = """
import numba
import numpy as np
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

@numba.njit
def spin(n):
    x = 1.0
    for i in range(n):
        x = np.sin(x) + i
    return x

class Busy(Strategy[StrategyParams]):
    name = "busy"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:
            spin(10**13)
        return Signals(entries=bars.close > bars.open, hold=1)
"""

HOSTILE_STRATEGY = '''
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    """Parameters whose texts are markup."""
    every: int = Field(3, ge=2, description="</script><img src=x onerror=alert(1)>")
    label: str = Field("'><svg onload=alert(1)>", description="<script>alert(1)</script>")

class Hostile(Strategy[Params]):
    """<img src=x onerror=alert(1)><script>alert(1)</script> & "quotes" </title>."""
    name = "hostile"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        return Signals(entries=bars.time // 10**9 % params.every == 0, hold=1)
'''
"""Its texts are code wherever a page does not escape them."""
