"""Candles of one symbol as columns: what strategies read and what the account is simulated on."""

from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

YEAR_NS = 365 * 24 * 3600 * 10**9
"""A year of markets that never close, ns."""

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Candles as columns of n bars, each a C-contiguous, read-only array of shape (n,).

    Read-only, so that no strategy can change what it is simulated on. The caller has checked the candles: no NaN, and
    prices above zero.

    Attributes:
        time: Opens of the bars, int64 ns UTC, strictly increasing.
        open: First prices, float64.
        high: Highest prices, float64.
        low: Lowest prices, float64.
        close: Last prices, float64.
        volume: Traded amounts of the base currency, float64.

    Raises:
        TypeError: A column is not a C-contiguous array of its type.
        ValueError: The columns differ in length, or the time does not increase.
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
            raise ValueError("the time of bars must increase strictly")

    def __len__(self) -> int:
        return len(self.time)

    def head(self, n: int) -> "Bars":
        """Return the first ``n`` bars as views of the same memory."""
        return self.window(0, n)

    def window(self, first: int, end: int) -> "Bars":
        """Return the bars from ``first`` to before ``end`` as views of the same memory."""
        return Bars(*(getattr(self, field.name)[first:end] for field in fields(self)))


def read_only(column: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    """Return a view of the column that cannot be written through."""
    view = column.view()
    view.flags.writeable = False
    return view


def _check_column(name: str, column: npt.NDArray[np.generic], n: int) -> None:
    dtype = np.dtype(np.int64 if name == "time" else np.float64)
    if column.dtype != dtype or not column.flags.c_contiguous:
        raise TypeError(f"{name} must be a C-contiguous array of {dtype}, not of {column.dtype}")
    if column.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},), not {column.shape}")
