"""Merging candles into the year files of a series, one merger at a time."""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV, columns_digest
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.timeframe import Timeframe, utc
from coin_pipeline.candles.validation import check_prices, check_spacing, check_times
from coin_pipeline.candles.year_files.arrow import NO_CANDLES, normalize_table, to_ohlcv, to_table
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.footer import Footer, check_digest, with_footer
from coin_pipeline.candles.year_files.parquet import (
    FileSpan,
    open_row_groups,
    read_extra_columns,
    replace_file,
    summary,
)
from coin_pipeline.candles.year_files.paths import name_under, series_folder, year_files
from coin_pipeline.errors import InvalidCandles, InvalidInput, Problem
from coin_pipeline.storage.atomic import translate_os_errors


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


class MergedRows(NamedTuple):
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


def merge_ohlcv(old: OHLCV, new: OHLCV) -> MergedRows:
    """Unite candles, both strictly increasing; of two at the same time the new one stays."""
    time = np.concatenate((old.time, new.time))
    order = np.argsort(time, kind="stable")
    is_newest = np.append(np.diff(time[order]) != 0, np.True_)[: len(order)]
    rows = order[is_newest]
    _, in_old, in_new = np.intersect1d(old.time, new.time, assume_unique=True, return_indices=True)
    pairs = zip(old.rows(in_old)[1:], new.rows(in_new)[1:], strict=True)
    differs = np.any([before != after for before, after in pairs], axis=0)
    replaced = int(differs.sum())
    return MergedRows(rows, len(rows) - len(old.time), replaced, len(in_new) - replaced)


def assign_years(time: npt.NDArray[np.int64], spans: Mapping[int, FileSpan]) -> npt.NDArray[np.int64]:
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


def split_by_year(intervals: Iterable[Interval]) -> dict[int, tuple[Interval, ...]]:
    """Return what of some intervals lies in each UTC year."""
    parts = [(year, piece) for interval in intervals for year, piece in _years_of(interval)]
    return {year: union(piece for of, piece in parts if of == year) for year, _ in parts}


def _years_of(interval: Interval) -> Iterator[tuple[int, Interval]]:
    first, last = utc_years(np.array([interval[0], interval[1] - 1])).tolist()
    edges = np.arange(first, last + 2).astype(str).astype("datetime64[ns]").astype(np.int64).tolist()
    for year, start, end in zip(range(first, last + 1), edges, edges[1:], strict=False):
        yield year, (max(start, interval[0]), min(end, interval[1]))


def merge_into_series(
    root: Path, symbol: str, timeframe: Timeframe, frame: pd.DataFrame, new: Provenance
) -> MergeReport:
    """Merge candles, and what is known of them, into a series: `CandleCatalog.merge` tells how."""
    folder, source = series_folder(root, symbol, timeframe), f"{symbol} {timeframe}"
    candles = to_ohlcv(normalize_table(source, pa.Table.from_pandas(frame, preserve_index=False)))
    _check(source, candles)
    check_spacing(source, candles.time, timeframe)
    fetched = split_by_year(new.fetched)
    if not len(candles.time) and not fetched:
        return MergeReport(0, 0, 0, (), None, None)
    with _locked(folder, name_under(root, folder)):
        stored = {int(path.stem): summary(path, name_under(root, path)) for path in year_files(folder)}
        spans = {year: each.span for year, each in stored.items() if each.span}
        require_same_source(source, merge_provenance(each.footer.provenance for each in stored.values()), new)
        _check_grid(source, candles.time, spans.values(), timeframe)
        years = assign_years(candles.time, spans)
        done = {}
        for year in _in_order(candles.time, years, fetched):
            path = folder / f"{year:04d}.parquet"
            told = Provenance(fetched.get(year, ()), new.source)
            done[path] = _merge_year(path, name_under(root, path), candles.rows(years == year), told)
    return MergeReport(
        added=sum(merged.added for merged, _ in done.values()),
        replaced=sum(merged.replaced for merged, _ in done.values()),
        unchanged=sum(merged.unchanged for merged, _ in done.values()),
        files=tuple(name_under(root, path) for path, (_, written) in sorted(done.items()) if written),
        first=utc(candles.time[0]) if len(candles.time) else None,
        last=utc(candles.time[-1]) if len(candles.time) else None,
    )


def row_label(row: int) -> str:
    """Return what an error calls a row, the first of which is 0."""
    return f"row {row + 1}"


def _in_order(time: npt.NDArray[np.int64], years: npt.NDArray[np.int64], fetched: Collection[int]) -> list[int]:
    """Return the years to write: first those whose file takes candles of another UTC year.

    That year's own file says that they were fetched, which must not be written before they are.
    """
    displaced = set(years[years != utc_years(time)].tolist())
    return sorted({*years.tolist(), *fetched}, key=lambda year: (year not in displaced, year))


def _merge_year(path: Path, name: str, new: OHLCV, told: Provenance) -> tuple[MergedRows, bool]:
    """Merge candles into a file; return what that changed of them, and whether the file was written."""
    old, before, others = to_ohlcv(NO_CANDLES), Footer(), []
    if path.exists():
        with open_row_groups(path, name) as part:
            old, before = decode([part]).columns, part.footer
        _check(name, old)
        check_digest(name, old, before)
        others = read_extra_columns(path, name)
    merged, known = merge_ohlcv(old, new), merge_provenance((told, before.provenance))
    changed = merged.added or merged.replaced or known != before.provenance
    if changed:
        both = OHLCV(*(np.concatenate(pair)[merged.rows] for pair in zip(old, new, strict=True)))
        # Further columns of an old file belong to its old candles: beside a new one they stay empty.
        kept = pa.array(merged.rows, mask=merged.rows >= len(old.time))
        table = to_table(both, [(column, values.take(kept)) for column, values in others])
        replace_file(path, name, with_footer(table, Footer(known, columns_digest(both))))
    return merged, bool(changed)


def _check(source: str, columns: OHLCV) -> None:
    check_times(source, columns.time, row_label)
    check_prices(source, columns, row_label)


def require_same_source(series: str, stored: Provenance, new: Provenance) -> None:
    """Refuse to fetch a series from two exchanges: their prices differ, and so would the series from day to day.

    Raises:
        InvalidInput: It names both.
    """
    if stored.source and new.source and stored.source != new.source:
        reason = f"{series} was fetched from {stored.source}, not from {new.source}; use another DATA_ROOT for that"
        raise InvalidInput([Problem("exchange", reason)])


def _check_grid(source: str, time: npt.NDArray[np.int64], spans: Collection[FileSpan], timeframe: Timeframe) -> None:
    """Refuse candles that would lie between the stored ones."""
    known = next(iter(spans), None)
    if known and len(time) and (time[0] - known.first) % timeframe.ns:
        reason = f"row 1 opens at {utc(time[0])}, off the grid of the stored candles, one of which opens at"
        raise InvalidCandles(source, len(time), f"{reason} {utc(known.first)}")


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Let one merger at a time into a series, of this and every other process."""
    with translate_os_errors(name):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
