"""Bars for tests: from a table, random, and from real markets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.engine.bars import Bars

HOUR_NS = 3600 * 10**9


def bars_of(rows: Sequence[Sequence[float]]) -> Bars:
    """Return hourly bars from rows (open, high, low, close) or (open, high, low, close, volume)."""
    table = np.array(rows, dtype=float).reshape(len(rows), len(rows[0]) if len(rows) else 4)
    volume = table[:, 4] if table.shape[1] > 4 else np.ones(len(rows))
    columns = [*table.T[:4], volume]
    return Bars(np.arange(len(rows)) * HOUR_NS, *(np.ascontiguousarray(column) for column in columns))


def random_bars(n: int, seed: int) -> Bars:
    """Return random bars of whole prices with independent opens, some flat and some without volume."""
    random = np.random.default_rng(seed)
    close = np.maximum(1000 + np.cumsum(random.integers(-12, 13, n)), 100)
    opening = close + random.integers(-8, 9, n)
    high = np.maximum(opening, close) + random.integers(0, 6, n)
    low = np.minimum(opening, close) - random.integers(0, 6, n)
    flat = random.random(n) < 0.05
    volume = random.integers(0, 10, n) * random.choice([0.5, 1.0, 20.0], n)
    rows = np.where(flat[:, None], close[:, None], np.stack([opening, high, low, close], axis=1))
    return bars_of(np.column_stack([rows, volume]))


def market_bars(market_data: Path, n: int) -> Bars:
    """Read the first ``n`` hours of KRW-BTC."""
    table = pd.read_csv(market_data / "upbit_KRW-BTC_1h.csv", nrows=n, parse_dates=["timestamp"])
    time = table["timestamp"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    return Bars(time, *(table[name].to_numpy(float) for name in ("open", "high", "low", "close", "volume")))


def real_bars(market_data: Path, file: str) -> Bars:
    """Read all candles of a file of real market data."""
    return Bars(*read_candle_file(market_data / file, tz="UTC").candles)


def golden_bars(n: int) -> Bars:
    """Return the daily bars of the golden figures, reproducing each random draw."""
    random = np.random.RandomState(42)  # the legacy generator, with which the golden figures were computed
    price, step, rows = 100.0, max(1, n // 50), []
    for i in range(n):
        price += 2 * random.randn()
        opening, close = price, price + random.randn()
        if i > 0 and i % step == 0:
            volume = random.uniform(2000, 3000)
            close = opening * (1.02 if i % (2 * step) == 0 else 0.99)
        else:
            volume = random.uniform(100, 500)
        high = max(opening, close) + 0.5 * abs(random.randn())
        low = min(opening, close) - 0.5 * abs(random.randn())
        rows.append((opening, high, low, close, volume))
    return bars_of(rows)
