"""Candles and parameter spaces of the rows."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe

SYMBOL = "AAA_KRW"
START = date(2021, 1, 1)
SWEEP_DAYS = 70
"""Days of minutes of a sweep: 100,800 bars."""
MEANS_GRID = {"fast": range(5, 25), "slow": range(30, 80)}
"""Parameter points of the strategy in pandas: 1,000."""


def store_candles(root: Path, timeframe: str, days: int, symbols: int = 1) -> list[str]:
    """Store synthetic candles of some symbols, the same for all; return the names of the symbols."""
    length, names = parse_timeframe(timeframe), symbol_names(symbols)
    candles = synthetic_candles(1, length, START, days * DAY_NS // length.ns)
    catalog = CandleCatalog(root)
    for name in names:
        catalog.merge(name, length, candles)
    return names


def symbol_names(count: int) -> list[str]:
    """Return distinct symbols, the first of which is ``SYMBOL``."""
    letters = [chr(ord("A") + i) for i in range(26)]
    names = (f"{a}{b}{c}_KRW" for a in letters for b in letters for c in letters)
    return [name for name, _ in zip(names, range(count), strict=False)]


def last_day(days: int) -> date:
    """Return the last of some days that begin with ``START``."""
    return START + timedelta(days - 1)


def request(days: int, timeframe: str, symbols: Sequence[str] = (SYMBOL,)) -> list[str]:
    """Return the arguments of ``coin backtest`` and ``coin sweep`` after the strategy."""
    return [*symbols, "--timeframe", timeframe, "--start", str(START), "--end", str(last_day(days)), "--fresh"]


def sweep_grid(points: int) -> dict[str, list[float]]:
    """Return the values of each parameter of ``volume_long_candle``, 5,000 combinations times as many multipliers."""
    return {
        "vol_ma_window": [*range(5, 105, 5)],
        "vol_multiplier": np.linspace(1.5, 4.0, points // 4_000).round(4).tolist(),
        "body_pct": np.linspace(0.001, 0.003, 20).round(5).tolist(),
        "hold_period_bars": [*range(5, 55, 5)],
    }


def grid_options(grid: dict[str, Sequence[float]]) -> list[str]:
    """Return a grid as options of ``coin sweep``."""
    return [f"--grid={name}={','.join(map(str, values))}" for name, values in grid.items()]
