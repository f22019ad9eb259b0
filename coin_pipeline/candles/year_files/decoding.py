"""Candles of opened files read into memory of their own, a row group at a time, on as many threads as Arrow may use."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.validation import all_valid
from coin_pipeline.candles.year_files.arrow import copy_into
from coin_pipeline.candles.year_files.parquet import RowGroups

_THREADED_ROWS = 20_000  # fewer are decoded before a second thread has woken up
_MOST_THREADS = 4  # more wait for memory


class Decoded(NamedTuple):
    """Candles as they are stored, in the order of the files, unchecked.

    Attributes:
        columns: The candles.
        sound: Whether they are in order and `all_valid`; found out while they were in the processor's cache.
    """

    columns: OHLCV
    sound: bool


def decode(parts: Sequence[RowGroups]) -> Decoded:
    """Read the candles of files, one file after another.

    What a row group is decoded into is small and soon used again; from there its rows go to their place in one block of
    memory, and are not copied again. So there is never much more memory in use than the columns need, and a second file
    costs no second copy.

    Raises:
        InvalidCandleFile: A file cannot be read, or lacks a column.
        InvalidCandles: A row has no time.
    """
    groups = [(part, group) for part in parts for group in part.groups]
    ends = list(accumulate((group.rows for _, group in groups), initial=0))
    block = np.empty((len(OHLCV._fields), ends[-1]))
    columns = OHLCV(block[0].view(np.int64), *block[1:])

    def fill(place: int) -> bool:
        part, group = groups[place]
        rows = columns.rows(slice(*ends[place : place + 2]))
        copy_into(part.read(group), rows)
        return bool((rows.time[1:] > rows.time[:-1]).all()) and all_valid(rows)

    if ends[-1] < _THREADED_ROWS:
        sound = [fill(place) for place in range(len(groups))]
    else:
        filled = [_threads().submit(fill, place) for place in range(len(groups))]
        wait(filled)  # none of them reads on when an error closes the files
        sound = [each.result() for each in filled]  # of several errors, that of the first row group is raised
    inner = np.unique([end for end in ends if 0 < end < ends[-1]]).astype(np.intp)
    return Decoded(columns, all(sound) and bool((columns.time[inner] > columns.time[inner - 1]).all()))


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that all readers of this process share: to start some takes as long as to decode a month."""
    return ThreadPoolExecutor(min(pa.cpu_count(), _MOST_THREADS), "decode-candles")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a child has none of its parent's threads
