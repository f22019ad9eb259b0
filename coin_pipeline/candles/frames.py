"""Conversion between pandas DataFrames and OHLCV, for notebooks and scripts; the data path itself needs no pandas."""

import pandas as pd
import pyarrow as pa

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, TIME_COLUMN, normalize_table, to_ohlcv


def from_frame(frame: pd.DataFrame, source: str = "DataFrame") -> OHLCV:
    """Return the candles of a DataFrame, in its order and not validated.

    Args:
        frame: Columns timestamp (with a time zone), open, high, low, close, volume; others are ignored.
        source: Name of the frame in an error message.

    Raises:
        InvalidCandleFile: A column is missing or has the wrong type, or timestamps have no time zone.
        InvalidCandles: A row has no time.
    """
    return to_ohlcv(normalize_table(source, pa.Table.from_pandas(frame, preserve_index=False)))


def to_frame(candles: OHLCV) -> pd.DataFrame:
    """Return candles as a DataFrame: timestamp (datetime64[ns, UTC]), open, high, low, close, volume (float64).

    >>> to_frame(OHLCV.empty()).columns.tolist()
    ['timestamp', 'open', 'high', 'low', 'close', 'volume']
    """
    time = pd.DatetimeIndex(candles.time.view("datetime64[ns]"), tz="UTC")
    return pd.DataFrame({TIME_COLUMN: time, **dict(zip(PRICE_COLUMNS, candles[1:], strict=True))})
