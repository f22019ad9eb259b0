"""Leaving out the candles of a file that are not closed yet: the last rows of many downloads."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe, format_utc
from coin_pipeline.errors import InvalidCandleFile, coded


class ClosedCandles(NamedTuple):
    """The closed candles of a file.

    Attributes:
        candles: The candles that are closed.
        rows: Row of each in the file, shape (n,).
        left_out: Number of the others, by reason.
    """

    candles: OHLCV
    rows: npt.NDArray[np.int64]
    left_out: dict[str, int]


def closed_candles(
    source: object, candles: OHLCV, rows: npt.NDArray[np.int64], timeframe: Timeframe, now: int
) -> ClosedCandles:
    """Return the candles that were closed at an instant; an open one still changes.

    Args:
        source: Name of the file in an error message.
        candles: Valid candles in strictly increasing order.
        rows: Row of each candle in the file, counted from 1, shape (n,).
        timeframe: Length of a candle.
        now: The instant, ns UTC.

    Raises:
        InvalidCandleFile: No candle is closed; the message contains the first one's time.
    """
    closed, begun = (int(np.searchsorted(candles.time, end, "right")) for end in (now - timeframe.ns, now))
    total = len(candles.time)
    if total and not closed:
        reason = coded("no_closed_candle", timeframe=timeframe, first=format_utc(candles.time[0]))
        raise InvalidCandleFile(source, reason)
    left_out: dict[str, int] = {}
    if begun > closed:
        left_out[coded("row_open", time=format_utc(candles.time[closed]))] = begun - closed
    if total > begun:
        left_out[coded("row_in_future", time=format_utc(candles.time[begun]))] = total - begun
    return ClosedCandles(candles.rows(slice(closed)), rows[:closed], left_out)
