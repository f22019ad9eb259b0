"""Summaries of year files that are kept while this process runs, as long as the files stay as they are."""

import time
from collections.abc import Hashable
from functools import lru_cache

from coin_pipeline.candles.year_files.parquet import FileSummary, summarize
from coin_pipeline.candles.year_files.places import YearFile

_SETTLED_NS = 2_000_000_000
"""A file that was written later than this before it was read may change again without another time stamp."""
_MAX_KEPT = 16_384


def kept_summary(file: YearFile) -> FileSummary:
    """Return what `summarize` returns; the footer is read once, unless the file has changed since.

    Raises:
        DamagedCandleFile, InvalidCandles, StorageFailed: As for `summarize`.
    """
    try:
        state, age_ns = file.state(), time.time_ns() - file.modified_ns()
    except OSError:
        return summarize(file)  # whose error names the file
    return _kept(file, state) if age_ns > _SETTLED_NS else summarize(file)


@lru_cache(maxsize=_MAX_KEPT)
def _kept(file: YearFile, _state: Hashable) -> FileSummary:
    return summarize(file)
