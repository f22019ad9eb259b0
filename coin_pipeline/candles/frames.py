"""Conversion between pandas DataFrames and OHLCV, for notebooks and scripts; the data path itself needs no pandas."""

import pandas as pd
import pyarrow as pa

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.year_files.arrow import PRICE_COLUMNS, TIME_COLUMN, normalize_table, to_ohlcv
from coin_pipeline.errors import InvalidCandleFile


def from_frame(frame: pd.DataFrame, source: str = "DataFrame") -> OHLCV:
    """Return the candles of a DataFrame, in its order and not validated.

    Args:
        frame: Columns timestamp (with a time zone), open, high, low, close, volume; others are ignored.
        source: Name of the frame in an error message.

    Raises:
        InvalidCandleFile: A column is missing or has the wrong type, or timestamps have no time zone.
        InvalidCandles: A row has no time.
    """
    columns = [name for name in (TIME_COLUMN, *PRICE_COLUMNS) if name in frame.columns]
    try:
        table = pa.Table.from_pandas(frame[columns], preserve_index=False)
    except pa.ArrowException as error:
        mixed = ", ".join(name for name in columns if frame[name].dtype == object)
        raise InvalidCandleFile(source, f"has values of several types in the column {mixed}; store numbers") from error
    return to_ohlcv(normalize_table(source, table))


def to_frame(candles: OHLCV) -> pd.DataFrame:
    """Return candles as a DataFrame: timestamp (datetime64[ns, UTC]), open, high, low, close, volume (float64).

    >>> to_frame(OHLCV.empty()).columns.tolist()
    ['timestamp', 'open', 'high', 'low', 'close', 'volume']
    """
    time = pd.DatetimeIndex(candles.time.view("datetime64[ns]"), tz="UTC")
    return pd.DataFrame({TIME_COLUMN: time, **dict(zip(PRICE_COLUMNS, candles[1:], strict=True))})
