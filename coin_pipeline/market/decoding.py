"""Candles of opened files read into memory of their own, a row group at a time, on as many threads as Arrow may use."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.market.candle_table import put
from coin_pipeline.market.quality import Columns, are_sound
from coin_pipeline.market.year_file import Part

_THREADED_ROWS = 20_000  # fewer are decoded before a second thread has woken up
_MOST_THREADS = 4  # more wait for memory


class Decoded(NamedTuple):
    """Candles as they are stored, in the order of the files, unchecked.

    Attributes:
        columns: The candles.
        sound: Whether `are_sound`; it was found out while they were in the processor's cache.
    """

    columns: Columns
    sound: bool


def decode(parts: Sequence[Part]) -> Decoded:
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
    block = np.empty((len(Columns._fields), ends[-1]))
    columns = Columns(block[0].view(np.int64), *block[1:])

    def fill(place: int) -> bool:
        part, group = groups[place]
        rows = columns.rows(slice(*ends[place : place + 2]))
        put(part.read(group), rows)
        return are_sound(rows)

    places = range(len(groups))
    if ends[-1] < _THREADED_ROWS:
        sound = [fill(place) for place in places]
    else:
        with ThreadPoolExecutor(min(pa.cpu_count(), _MOST_THREADS)) as pool:
            sound = list(pool.map(fill, places))  # of several errors, that of the first row group is raised
    return Decoded(columns, all(sound))
