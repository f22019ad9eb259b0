"""What readers of year files are asked for, and how what they find is compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.measuring import Arrays, Run, Stopwatch

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
Columns: TypeAlias = Sequence[np.ndarray]
"""Opens in ns UTC, prices and volume of one symbol, each as an array in NumPy's own memory order."""


@dataclass(frozen=True)
class Wanted:
    """A range of some symbols in one timeframe: Seoul days from ``start`` to ``end``, instants from begin to stop."""

    root: Path
    timeframe: str
    symbols: tuple[str, ...]
    start: str
    end: str
    begin: int
    stop: int

    def files(self, symbol: str) -> list[str]:
        """Return the year files of a symbol."""
        return sorted(map(str, (self.root / symbol / self.timeframe.upper()).glob("*.parquet")))


def wanted(data: Arrays) -> Wanted:
    """Return what is asked for."""
    root, timeframe, start, end = (str(data[name]) for name in ("root", "timeframe", "start", "end"))
    symbols, (begin, stop) = tuple(data["symbols"].tolist()), data["range"].tolist()
    return Wanted(Path(root), timeframe, symbols, start, end, begin, stop)


def first_series(data: Arrays, read: Callable[[Wanted, str], Columns]) -> Run:
    """Read one symbol; what comes out is compared value by value."""
    asked = wanted(data)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            found = read(asked, asked.symbols[0])
        return dict(zip(COLUMNS, found, strict=True))

    return run


def all_series(data: Arrays, read: Callable[[Wanted], Sequence[Columns]]) -> Run:
    """Read all symbols and hold them at once; what comes out is compared by the sum of each column."""
    asked = wanted(data)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            found = read(asked)
        return sums(found)

    return run


def sums(found: Sequence[Columns]) -> Arrays:
    """Return rows, first and last open, and sums of the other columns for each symbol."""
    return {
        "time": np.array([(len(time), time[0], time[-1]) for time, *_ in found]),
        "sums": np.array([[column.sum() for column in columns] for _, *columns in found]),
    }
