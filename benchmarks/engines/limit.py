"""Lower bound of every engine: the time to read five columns once."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from benchmarks.measuring import Arrays, Run, Stopwatch

PACKAGES = ("numba", "numpy")


def one_strategy(data: Arrays) -> Run:
    """Read the columns of one symbol."""
    columns = tuple(data["columns"])

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            read(*columns)
        return {}

    return run


def one_strategy_threads(data: Arrays) -> Run:
    """Read the columns of one symbol on all cores, each a range of bars."""
    workers = os.cpu_count() or 1
    parts = list(zip(*(np.array_split(column, workers) for column in data["columns"]), strict=True))

    def run(watch: Stopwatch) -> Arrays:
        with ThreadPoolExecutor(workers) as pool, watch:
            list(pool.map(lambda part: read(*part), parts))
        return {}

    return run


@numba.njit(nogil=True)
def read(opens, high, low, close, volume):  # noqa: ANN001, ANN201 - compiled
    """Return the largest sum of a bar's columns: so little work that memory is the bottleneck."""
    largest = 0.0
    for i in range(len(opens)):
        largest = max(largest, opens[i] + high[i] + low[i] + close[i] + volume[i])
    return largest
