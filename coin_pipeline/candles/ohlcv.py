"""Column arrays of candles, used all the way from the exchange's response to the engine's bars."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class OHLCV(NamedTuple):
    """Candles as six columns of n rows, not necessarily validated.

    The engine's `Bars` are built from validated columns without a copy: `Bars(*candles)`.

    Attributes:
        time: Open times, int64 ns since the epoch, UTC, shape (n,).
        open: First prices, float64, shape (n,).
        high: Highest prices, float64, shape (n,).
        low: Lowest prices, float64, shape (n,).
        close: Last prices, float64, shape (n,).
        volume: Traded amounts of the base currency, float64, shape (n,).

    >>> candles = OHLCV.empty()
    >>> len(candles.time)
    0
    """

    time: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]

    @staticmethod
    def empty() -> "OHLCV":
        """Return candles without rows."""
        return OHLCV(np.empty(0, np.int64), *(np.empty(0) for _ in range(5)))

    @staticmethod
    def concat(chunks: Iterable["OHLCV"]) -> "OHLCV":
        """Return the rows of several chunks, one after another, as a copy."""
        return OHLCV(*map(np.concatenate, zip(OHLCV.empty(), *chunks, strict=True)))

    def rows(self, rows: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "OHLCV":
        """Return the selected rows: views for a slice, copies for an index or a mask."""
        return OHLCV(self.time[rows], *(column[rows] for column in self[1:]))


def columns_digest(columns: Iterable[npt.NDArray[np.int64] | npt.NDArray[np.float64]]) -> str:
    """Return the SHA-256 of the raw bytes of columns in the order time, open, high, low, close, volume."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column.data)
    return digest.hexdigest()
