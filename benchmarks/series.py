"""Requests to the readers of year files, and the comparison of their results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.measuring import Arrays, Run, Stopwatch

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
Columns: TypeAlias = Sequence[np.ndarray]
"""Open times in ns UTC, prices and volume of one symbol, each a contiguous NumPy array."""


@dataclass(frozen=True)
class SeriesRequest:
    """A range of candles of some symbols in one timeframe.

    ``start`` and ``end`` are Seoul days, both inclusive; ``begin`` and ``stop`` are the same range as half-open ns UTC.
    """

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


def read_request(data: Arrays) -> SeriesRequest:
    """Return the request stored in the inputs."""
    root, timeframe, start, end = (str(data[name]) for name in ("root", "timeframe", "start", "end"))
    symbols, (begin, stop) = tuple(data["symbols"].tolist()), data["range"].tolist()
    return SeriesRequest(Path(root), timeframe, symbols, start, end, begin, stop)


def first_series_run(data: Arrays, read: Callable[[SeriesRequest, str], Columns]) -> Run:
    """Return a run that reads one symbol; its result is compared value by value."""
    request = read_request(data)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            series = read(request, request.symbols[0])
        return dict(zip(COLUMNS, series, strict=True))

    return run


def all_series_run(data: Arrays, read: Callable[[SeriesRequest], Sequence[Columns]]) -> Run:
    """Return a run that reads all symbols into memory at once; its result is compared by the sum of each column."""
    request = read_request(data)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            series = read(request)
        return column_sums(series)

    return run


def column_sums(series: Sequence[Columns]) -> Arrays:
    """Return the number of rows, first and last open time, and sums of the other columns for each symbol."""
    return {
        "time": np.array([(len(time), time[0], time[-1]) for time, *_ in series]),
        "sums": np.array([[column.sum() for column in columns] for _, *columns in series]),
    }
