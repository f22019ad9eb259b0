"""Candles of opened files read into memory of their own, a row group at a time, on as many threads as Arrow may use."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import pyarrow as pa

from coin_pipeline.market.candle_table import put
from coin_pipeline.market.quality import Columns
from coin_pipeline.market.year_file import Part

_THREADED_ROWS = 20_000  # fewer are decoded before a second thread has woken up
_MOST_THREADS = 4  # more wait for memory


def read_columns(parts: Sequence[Part]) -> Columns:
    """Return the candles of files, one file after another, unchecked.

    What a row group is decoded into is small and stays in the processor's cache; from there it goes to its place in one
    block of memory, and is not copied again. So there is never much more memory in use than the columns need, and a
    second file costs no second copy.

    Raises:
        InvalidCandleFile: A file cannot be read, or lacks a column.
        InvalidCandles: A row has no time.
    """
    groups = [(part, group) for part in parts for group in part.groups]
    ends = list(accumulate((group.rows for _, group in groups), initial=0))
    block = np.empty((len(Columns._fields), ends[-1]))
    columns = Columns(block[0].view(np.int64), *block[1:])

    def fill(place: int) -> None:
        part, group = groups[place]
        put(part.read(group), columns.rows(slice(*ends[place : place + 2])))

    if ends[-1] < _THREADED_ROWS:
        deque(map(fill, range(len(groups))), maxlen=0)
    else:
        with ThreadPoolExecutor(min(pa.cpu_count(), _MOST_THREADS)) as pool:
            deque(pool.map(fill, range(len(groups))), maxlen=0)  # of several errors, that of the first row group
    return columns
