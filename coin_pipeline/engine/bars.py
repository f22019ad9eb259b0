"""Candles of one symbol as columns, the input of strategies and simulations."""

from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

YEAR_NS = 365 * 24 * 3600 * 10**9
"""Length of a year in a market that never closes, ns."""

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
MIN_PRICE, MAX_PRICE = 1e-18, 1e18
"""Bounds of a price in any quote currency, both inclusive: far outside those of any market, yet products of several
prices, volumes and synthetic moves stay finite."""
MAX_VOLUME = 1e24
"""Upper bound of a candle's volume in the base currency, inclusive."""
_ROW = 64
"""Values per row of a checksum."""
ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Candles as columns of n bars, each a C-contiguous, read-only array of shape (n,).

    The arrays are read-only so that a strategy cannot modify its own input. The caller validates the candles: no NaN,
    prices from ``MIN_PRICE`` to ``MAX_PRICE``, volumes from 0 to ``MAX_VOLUME``.

    Attributes:
        time: Open times of the bars, int64 ns UTC, strictly increasing.
        open: Open prices, float64.
        high: High prices, float64.
        low: Low prices, float64.
        close: Close prices, float64.
        volume: Traded volume in the base currency, float64.

    Raises:
        TypeError: A column is not a C-contiguous array of the expected dtype.
        ValueError: The columns differ in length, or the time is not strictly increasing.

    Example:
        >>> import numpy as np
        >>> close = np.array([100.0, 101.0, 102.0])
        >>> bars = Bars(np.arange(3) * 60_000_000_000, close, close + 1, close - 1, close, np.ones(3))
        >>> len(bars), bars.head(2).close.tolist()
        (3, [100.0, 101.0])
    """

    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            _check_column(field.name, column, len(self.time))
            object.__setattr__(self, field.name, read_only(column))
        if np.any(self.time[1:] <= self.time[:-1]):
            raise ValueError("the time of bars must be strictly increasing")

    def __len__(self) -> int:
        return len(self.time)

    def checksum(self) -> dict[str, bytes]:
        """Return a checksum for each column that differs if any value has changed or moved.

        They are sums of the values' bits over rows and columns of 64: six times as fast as a SHA-256, but weaker.
        """
        return {field.name: _checksum(getattr(self, field.name)) for field in fields(self)}

    def head(self, n: int) -> "Bars":
        """Return the first ``n`` bars as views, without copying."""
        return self.window(0, n)

    def window(self, first: int, end: int) -> "Bars":
        """Return bars ``first`` to ``end - 1`` as views, without copying."""
        return Bars(*(getattr(self, field.name)[first:end] for field in fields(self)))


def read_only(column: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    """Return a read-only view of the column, or the column itself if it is read-only."""
    if not column.flags.writeable:
        return column
    view = column.view()
    view.flags.writeable = False
    return view


def _checksum(column: npt.NDArray[np.generic]) -> bytes:
    bits = column.view(np.int64)
    rows = bits[: len(bits) // _ROW * _ROW].reshape(-1, _ROW)
    return b"".join([rows.sum(axis=0).tobytes(), rows.sum(axis=1).tobytes(), bits[rows.size :].tobytes()])


def _check_column(name: str, column: npt.NDArray[np.generic], n: int) -> None:
    dtype = np.dtype(np.int64 if name == "time" else np.float64)
    if column.dtype != dtype or not column.flags.c_contiguous:
        raise TypeError(f"{name} must be a C-contiguous array of {dtype}, not {column.dtype}")
    if column.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), not {column.shape}")
