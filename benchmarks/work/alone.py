"""What the platform is compared with, each in a fresh process: ``python -m benchmarks.work.alone NAME ARGUMENTS``.

Each function prints one figure. Inputs are prepared and kernels are loaded before the time is taken.
"""

import os
import sys
from itertools import islice, product
from pathlib import Path

import polars as pl

from benchmarks.measuring import Stopwatch
from benchmarks.work import inputs
from benchmarks.work.pandas_strategy import MeansParams, PandasMeans
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.sweep import Trials, sweep
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams

WORKERS = os.cpu_count() or 1
RATED_POINTS = 100


def engine_seconds(root: str, points: str, chunk: str) -> float:
    """Return the seconds in which the engine evaluates a sweep, given the params of its points in chunks."""
    bars, strategy, grid = _bars(root), VolumeLongCandle(), inputs.sweep_grid(int(points))
    params = (VolumeLongCandleParams(**dict(zip(grid, values, strict=True))) for values in product(*grid.values()))

    def evaluate(rows: list[VolumeLongCandleParams]) -> Trials:
        signals = strategy.signal_rows(bars, rows, WORKERS)
        return sweep(bars, signals, None, Costs(0.001, 0.0002), Fill.NEXT_OPEN, Sizing(), WORKERS)

    evaluate([VolumeLongCandleParams()])
    watch, trials = Stopwatch(), []
    while rows := list(islice(params, int(chunk))):
        with watch:
            trials.append(evaluate(rows))
    with watch:
        Trials.concatenate(trials)
    return watch.seconds


def function_rate(root: str) -> float:
    """Return the points per second of the bare function of the strategy in pandas, on one core."""
    bars, strategy, watch = _bars(root), PandasMeans(), Stopwatch()
    points = islice(product(*inputs.MEANS_GRID.values()), RATED_POINTS)
    params = [MeansParams(fast=fast, slow=slow) for fast, slow in points]
    strategy.signals(bars, params[0])
    with watch:
        for point in params:
            strategy.signals(bars, point)
    return RATED_POINTS / watch.seconds


def scan_seconds(root: str, timeframe: str, symbols: str) -> float:
    """Return the seconds in which Polars reads the candles of each symbol and sums the volumes, one after another."""
    watch = Stopwatch()
    with watch:
        for symbol in inputs.symbol_names(int(symbols)):
            files = sorted(Path(root, symbol, timeframe.upper()).glob("*.parquet"))
            pl.scan_parquet(files).collect()["volume"].sum()
    return watch.seconds


def _bars(root: str) -> Bars:
    return CandleCatalog(Path(root)).read(
        inputs.SYMBOL, parse_timeframe("1m"), inputs.START, inputs.last_day(inputs.SWEEP_DAYS)
    )


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(globals()[name](*arguments))
