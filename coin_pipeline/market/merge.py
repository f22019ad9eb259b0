"""Two sets of candles made one: which rows stay, and what that changes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.market.intervals import Interval, union
from coin_pipeline.market.quality import Columns
from coin_pipeline.market.year_file import Span


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did.

    Attributes:
        added: Candles that were not stored.
        replaced: Candles that were stored with other values.
        unchanged: Candles that were stored just so.
        files: Year files written, relative to the root.
        first: Open of the first candle handed in, UTC; None without candles.
        last: Open of the last candle handed in, UTC; None without candles.
    """

    added: int
    replaced: int
    unchanged: int
    files: tuple[str, ...]
    first: datetime | None
    last: datetime | None


class Merged(NamedTuple):
    """The union of old and new candles.

    Attributes:
        rows: What stays, in order of time, as an index into the old candles followed by the new ones.
        added: New candles at times that the old ones do not have.
        replaced: New candles that differ from the old one of the same time.
        unchanged: New candles equal to the old one of the same time.
    """

    rows: npt.NDArray[np.intp]
    added: int
    replaced: int
    unchanged: int


def merge_columns(old: Columns, new: Columns) -> Merged:
    """Unite candles, both strictly increasing; of two at the same time the new one stays."""
    time = np.concatenate((old.time, new.time))
    order = np.argsort(time, kind="stable")
    is_newest = np.append(np.diff(time[order]) != 0, np.True_)[: len(order)]
    rows = order[is_newest]
    _, in_old, in_new = np.intersect1d(old.time, new.time, assume_unique=True, return_indices=True)
    pairs = zip(old.rows(in_old)[1:], new.rows(in_new)[1:], strict=True)
    differs = np.any([before != after for before, after in pairs], axis=0)
    replaced = int(differs.sum())
    return Merged(rows, len(rows) - len(old.time), replaced, len(in_new) - replaced)


def file_years(time: npt.NDArray[np.int64], spans: Mapping[int, Span]) -> npt.NDArray[np.int64]:
    """Return the year file each candle belongs to: its UTC year, unless it lies within the span of another file.

    A few old files were split by Seoul years; a candle beside their first ones must not go to the file before.
    """
    years = utc_years(time)
    for year, span in spans.items():
        years[(time >= span.first) & (time <= span.last)] = year
    return years


def utc_years(time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the UTC year of each instant."""
    return time.view("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970


def by_year(intervals: Iterable[Interval]) -> dict[int, tuple[Interval, ...]]:
    """Return what of some intervals lies in each UTC year."""
    parts = [(year, piece) for interval in intervals for year, piece in _years_of(interval)]
    return {year: union(piece for of, piece in parts if of == year) for year, _ in parts}


def _years_of(interval: Interval) -> Iterator[tuple[int, Interval]]:
    first, last = utc_years(np.array([interval[0], interval[1] - 1])).tolist()
    edges = np.arange(first, last + 2).astype(str).astype("datetime64[ns]").astype(np.int64).tolist()
    for year, start, end in zip(range(first, last + 1), edges, edges[1:], strict=False):
        yield year, (max(start, interval[0]), min(end, interval[1]))
