"""Figures of our engine alone, each measured in a fresh process: ``python -m benchmarks.figures NAME``."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.environment import last_line
from benchmarks.inputs import minutes
from benchmarks.measuring import Stopwatch
from benchmarks.report import Figure
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import find_candles, simulate_symbol
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import sweep
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.registry import BUILT_IN, StrategyRegistry

ROOT = Path(__file__).parents[1]
COSTS = Costs(0.001, 0.0002)
REGISTRY = StrategyRegistry(kind() for kind in BUILT_IN)
BUSY = {
    "volume_long_candle": {"vol_multiplier": 1.5, "body_pct": 0.0005, "hold_period_bars": 30},
    "volume_zone_breakout": {"hold_period_bars": 30},
}
"""Params with which a strategy trades often on one-minute bars."""
SHORT = (("1m", "10000"), ("1d", "366"))
SAMPLES = 3
FIRST_CALL, CHECK_SHARE = 0.2, 0.2


class MeanCrossParams(StrategyParams):
    """Parameters of ``MeanCross``."""

    fast: int
    slow: int


class MeanCross(Strategy[MeanCrossParams]):
    """Typical custom strategy in numpy: buy when the fast mean crosses above the slow mean, exit when it is below."""

    name = "two_means"
    Params = MeanCrossParams

    def signals(self, bars: Bars, params: MeanCrossParams) -> Signals:
        """Compare two moving averages."""
        above = self._mean(bars.close, params.fast) > self._mean(bars.close, params.slow)
        crossed = np.concatenate([[False], above[1:] & ~above[:-1]])
        return Signals(crossed, exits=~above)

    @staticmethod
    def _mean(values: np.ndarray, window: int) -> np.ndarray:
        summed = np.concatenate([np.zeros(window), np.cumsum(values)])
        return (summed[window:] - summed[:-window]) / window


def _bars(n: int) -> Bars:
    data = minutes(n, seed=5)
    return Bars(data["time"], *data["columns"])


def _best(call: Callable[[], Any], times: int = 7) -> float:
    watches = []
    for _ in range(times):
        watch = Stopwatch()
        with watch:
            call()
        watches.append(watch.seconds)
    return min(watches)


def first_call_overhead(name: str) -> float:
    """Return how much longer the first backtest of this process takes than the following ones, in seconds."""
    bars, strategy = _bars(2_000), REGISTRY.get(name)

    def backtest() -> None:
        simulate(bars, strategy.signals(bars, strategy.Params()), COSTS, Fill.NEXT_OPEN)

    began = time.perf_counter()
    backtest()
    return time.perf_counter() - began - _best(backtest)


def lookahead_share(name: str) -> float:
    """Return the share of the check in a run that reads a year of minutes, simulates it and builds the tables."""
    check, run = _check_and_run(name, "1m", 525_600)
    return check / run


def lookahead_ms(name: str, timeframe: str, n: str) -> float:
    """Return the time that the check adds to a run on n candles, ms."""
    return 1000 * _check_and_run(name, timeframe, int(n))[0]


def _check_and_run(name: str, timeframe: str, n: int) -> tuple[float, float]:
    length, params = parse_timeframe(timeframe), BUSY[name]
    with TemporaryDirectory() as folder:
        catalog = CandleCatalog(Path(folder))
        catalog.merge("A_KRW", length, synthetic_candles(1, length, date(2024, 1, 1), n))
        days = {"start_date": "2024-01-01", "end_date": "2024-12-31", "timeframe": timeframe}
        request = {"strategy": name, "symbols": ["A_KRW"], "params": params, **days}
        spec = resolve(parse_request(request), REGISTRY)
        bars, strategy = catalog.read("A_KRW", length, spec.start_date, spec.end_date), REGISTRY.get(name)
        resolved = REGISTRY.resolve(name, params)
        unchecked = _best(lambda: strategy.signals(bars, resolved))
        checked = _best(lambda: checked_signals(strategy, resolved, bars, "A_KRW"))
        run = _best(lambda: [simulate_symbol(catalog, REGISTRY, p) for p in find_candles(catalog, spec, "tasks")], 3)
    return checked - unchecked, run


def custom_strategy_rate() -> float:
    """Return the points per second of a sweep over a custom strategy in numpy on 100,000 bars."""
    bars, strategy = _bars(100_000), MeanCross()
    points = [MeanCrossParams(fast=fast, slow=slow) for fast in range(5, 25) for slow in range(50, 150, 10)]
    return len(points) / _best(
        lambda: sweep(bars, strategy.signal_rows(bars, points), None, COSTS, Fill.NEXT_OPEN, Sizing(), 1), times=2
    )


def measure_all() -> list[Figure]:
    """Return all figures, each the median of several fresh processes."""
    figures = []
    for name in BUSY:
        figures.append(
            _measure(
                f"first backtest of a fresh process, {name}: kernels add {{:.3f}} s",
                FIRST_CALL,
                "first_call_overhead",
                name,
            )
        )
        text = f"look-ahead check of {name}: {{:.1%}} of a run on a year of minutes"
        figures.append(_measure(text, CHECK_SHARE, "lookahead_share", name))
        for timeframe, n in SHORT:
            text = f"look-ahead check of {name}: {{:.1f}} ms on {n} candles of {timeframe}"
            figures.append(_measure(text, None, "lookahead_ms", name, timeframe, n))
    figures.append(_measure("custom strategy in numpy: {:,.0f} points/s on 100,000 bars", None, "custom_strategy_rate"))
    return figures


def _measure(text: str, limit: float | None, *command: str) -> Figure:
    values = []
    for _ in range(SAMPLES):
        process = [sys.executable, "-m", "benchmarks.figures", *command]
        result = subprocess.run(process, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if result.returncode:
            return Figure(f"{' '.join(command)}: {last_line(result.stderr.splitlines())}", met=False)
        values.append(float(result.stdout))
    value = median(values)
    if limit is None:
        return Figure(text.format(value))
    return Figure(f"{text.format(value)}, limit {limit:g}", value <= limit)


if __name__ == "__main__":
    function, *arguments = sys.argv[1:]
    print(globals()[function](*arguments))
