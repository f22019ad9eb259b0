"""Candles for tests: rows removed, and as DataFrames."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe


def drop_rows(candles: OHLCV, rows: Iterable[int]) -> OHLCV:
    """Return candles without the rows at these positions."""
    return candles.rows(np.delete(np.arange(len(candles.time)), [*rows]))


def synthetic_frame(seed: int, timeframe: Timeframe, start: date, bars: int) -> pd.DataFrame:
    """Return synthetic candles as a DataFrame."""
    return to_frame(synthetic_candles(seed, timeframe, start, bars))
