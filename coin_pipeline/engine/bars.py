"""Candles of one symbol as columns, the input of strategies and simulations."""

from dataclasses import dataclass
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
_FLOATS = ("open", "high", "low", "close", "volume")
_DTYPES = {"time": np.dtype(np.int64), **dict.fromkeys(_FLOATS, np.dtype(np.float64))}
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
        for name in _DTYPES:
            column = getattr(self, name)
            _check_column(name, column, len(self.time))
            object.__setattr__(self, name, read_only(column))
        if np.any(self.time[1:] <= self.time[:-1]):
            raise ValueError("the time of bars must be strictly increasing")

    def __len__(self) -> int:
        return len(self.time)

    def checksum(self) -> dict[str, bytes]:
        """Return a checksum for each column that differs if any value has changed or moved.

        They are sums of the values' bits over rows and columns of 64: six times as fast as a SHA-256, but weaker.
        """
        return {name: _checksum(getattr(self, name)) for name in _DTYPES}

    def head(self, n: int) -> "Bars":
        """Return the first ``n`` bars as views, without copying."""
        return self.window(0, n)

    def window(self, first: int, end: int) -> "Bars":
        """Return bars ``first`` to ``end - 1`` as views, without copying."""
        view = object.__new__(Bars)  # parts of valid columns are valid; the look-ahead check takes dozens per symbol
        for name in _DTYPES:
            object.__setattr__(view, name, getattr(self, name)[first:end])
        return view


@dataclass(frozen=True, slots=True, eq=False)
class Closes:
    """What is read of n bars once the trades on them are known.

    Attributes:
        time: Open times of the bars, int64 ns UTC, strictly increasing, shape (n,).
        open: Open price of the first bar only, float64, shape (1,), or (0,) without bars.
        close: Close prices, float64, shape (n,).

    All are read-only.
    """

    time: Ints
    open: Floats
    close: Floats

    @classmethod
    def copy_of(cls, bars: Bars, known_time: Ints | None = None) -> "Closes":
        """Copy the closes of bars: views would keep all of their columns in memory.

        Args:
            bars: n bars.
            known_time: Times of other bars, used instead of a copy if those of the bars are the same.
        """
        if known_time is None or not np.array_equal(known_time, bars.time):
            known_time = read_only(bars.time.copy())
        return cls(known_time, read_only(bars.open[:1].copy()), read_only(bars.close.copy()))

    def __len__(self) -> int:
        return len(self.time)


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
    dtype = _DTYPES[name]
    if column.dtype != dtype or not column.flags.c_contiguous:
        raise TypeError(f"{name} must be a C-contiguous array of {dtype}, not {column.dtype}")
    if column.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), not {column.shape}")
