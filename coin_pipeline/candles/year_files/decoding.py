"""Decoding of row groups into one block of memory, on as many threads as Arrow may use."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.validation import all_valid
from coin_pipeline.candles.year_files.arrow import copy_into
from coin_pipeline.candles.year_files.parquet import RowGroups

_MIN_THREADED_ROWS = 20_000  # fewer rows are decoded before a second thread has started
_MAX_THREADS = 4  # memory bandwidth limits any more


class DecodedCandles(NamedTuple):
    """Stored candles in file order.

    Attributes:
        candles: The candles, not validated.
        valid: Whether they are strictly ordered and `all_valid`; computed while they are in the CPU cache.
    """

    candles: OHLCV
    valid: bool


def decode(files: Sequence[RowGroups]) -> DecodedCandles:
    """Decode the row groups of files, one file after another.

    Each row group is decoded into a small buffer that is soon reused, then copied to its position in one block of
    memory. Peak memory stays close to the size of the columns, and a second file needs no second copy. Row groups in a
    bucket are decoded in the order of their arrival.

    Raises:
        InvalidCandleFile: A file cannot be read, or lacks a column.
        InvalidCandles: A row has no time.
    """
    groups = [(file, group) for file in files for group in file.groups]
    transfers = [transfer for file in files for transfer in file.fetch()]
    ends = list(accumulate((group.rows for _, group in groups), initial=0))
    block = np.empty((len(OHLCV._fields), ends[-1]))
    candles = OHLCV(block[0].view(np.int64), *block[1:])

    def fill(index: int) -> bool:
        file, group = groups[index]
        rows = candles.rows(slice(*ends[index : index + 2]))
        copy_into(file.read(group), rows)
        return bool((rows.time[1:] > rows.time[:-1]).all()) and all_valid(rows)

    if ends[-1] < _MIN_THREADED_ROWS:
        valid = [fill(index) for index in range(len(groups))]
    else:
        futures = {index: _executor().submit(fill, index) for index in _arrivals(transfers, len(groups))}
        wait(futures.values())  # so that no thread still reads when an error closes the files
        valid = [futures[index].result() for index in sorted(futures)]  # raises the first failed row group's error
    inner = np.unique([end for end in ends if 0 < end < ends[-1]]).astype(np.intp)
    return DecodedCandles(candles, all(valid) and bool((candles.time[inner] > candles.time[inner - 1]).all()))


def _arrivals(transfers: Sequence[Future[Any]], count: int) -> Iterator[int]:
    """Yield the numbers of all row groups, each once it has arrived; at once if nothing is transferred."""
    if not transfers:
        yield from range(count)
    waiting: dict[Future[Any], list[int]] = {}
    for number, transfer in enumerate(transfers):
        waiting.setdefault(transfer, []).append(number)
    for transfer in as_completed(waiting):
        yield from waiting[transfer]


@cache
def _executor() -> ThreadPoolExecutor:
    """Return the thread pool shared by all readers of this process: starting one costs as much as decoding a month."""
    return ThreadPoolExecutor(min(pa.cpu_count(), _MAX_THREADS), "decode-candles")


os.register_at_fork(after_in_child=_executor.cache_clear)  # a forked child does not inherit threads
