"""Merging candles into the year files of a series, one process at a time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV, columns_digest
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.timeframe import Timeframe, utc
from coin_pipeline.candles.validation import check_prices, check_spacing, check_times, row_label
from coin_pipeline.candles.year_files.arrow import to_table
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.footer import Footer, check_digest, with_footer
from coin_pipeline.candles.year_files.parquet import (
    FileSpan,
    encode,
    open_row_groups,
    read_extra_columns,
    summarize,
)
from coin_pipeline.candles.year_files.places import CandlePlace, YearFile
from coin_pipeline.errors import InvalidCandles, InvalidInput, ObjectChanged, Problem, coded

_Times = npt.NDArray[np.int64]
_NO_TIMES: _Times = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class MergeReport:
    """Result of a merge.

    Attributes:
        added: Candles that were not stored before.
        replaced: Candles that were stored with other values.
        unchanged: Candles that were already stored with the same values.
        files: Year files written, relative to the root.
        first: Open of the first merged candle, UTC; None without candles.
        last: Open of the last merged candle, UTC; None without candles.
        removed: Stored candles that were removed at the caller's request, without those that were replaced.
    """

    added: int
    replaced: int
    unchanged: int
    files: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    removed: int = 0


class MergedRows(NamedTuple):
    """Union of old and new candles.

    Attributes:
        rows: The resulting rows in order of time, as an index into the old candles followed by the new ones.
        added: New candles at times without an old one.
        replaced: New candles that differ from the old one at the same time.
        unchanged: New candles equal to the old one at the same time.
        removed: Old candles that were removed, at times without a new one.
        overwritten: The old candles that were replaced or removed.
    """

    rows: npt.NDArray[np.intp]
    added: int
    replaced: int
    unchanged: int
    removed: int
    overwritten: OHLCV


def merge_ohlcv(old: OHLCV, new: OHLCV, remove: _Times = _NO_TIMES) -> MergedRows:
    """Merge strictly increasing candles; at equal times the new candle wins.

    Args:
        old: Stored candles.
        new: Candles to merge into them.
        remove: Opens of stored candles to remove unless a new one replaces them, ns UTC.
    """
    time = np.concatenate((old.time, new.time))
    order = np.argsort(time, kind="stable")
    is_newest = np.append(np.diff(time[order]) != 0, np.True_)[: len(order)]
    rows = order[is_newest]
    _, in_old, in_new = np.intersect1d(old.time, new.time, assume_unique=True, return_indices=True)
    pairs = zip(old.rows(in_old)[1:], new.rows(in_new)[1:], strict=True)
    differs = np.any([before != after for before, after in pairs], axis=0)
    replaced = int(differs.sum())
    is_removed = (rows < len(old.time)) & np.isin(time[rows], remove)
    removed = int(is_removed.sum())
    overwritten = old.rows(np.union1d(in_old[differs], rows[is_removed]))
    added = len(rows) - len(old.time)
    return MergedRows(rows[~is_removed], added, replaced, len(in_new) - replaced, removed, overwritten)


def assign_years(time: npt.NDArray[np.int64], spans: Mapping[int, FileSpan]) -> npt.NDArray[np.int64]:
    """Return the year file of each candle: its UTC year, unless it is within the span of another file.

    Some legacy files were split by Seoul years; a candle among their first ones must not go to the previous file.
    """
    years = utc_years(time)
    for year, span in spans.items():
        years[(time >= span.first) & (time <= span.last)] = year
    return years


def utc_years(time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the UTC year of each instant, given in ns."""
    return time.view("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970


def split_by_year(intervals: Iterable[Interval]) -> dict[int, tuple[Interval, ...]]:
    """Return the parts of intervals within each UTC year."""
    parts = [(year, part) for interval in intervals for year, part in _split(interval)]
    return {year: union(part for other, part in parts if other == year) for year, _ in parts}


def _split(interval: Interval) -> Iterator[tuple[int, Interval]]:
    first, last = utc_years(np.array([interval[0], interval[1] - 1])).tolist()
    edges = np.arange(first, last + 2).astype(str).astype("datetime64[ns]").astype(np.int64).tolist()
    for year, start, end in zip(range(first, last + 1), edges, edges[1:], strict=False):
        yield year, (max(start, interval[0]), min(end, interval[1]))


class Change(NamedTuple):
    """What changes in a series, or in one of its year files.

    Attributes:
        new: Candles to merge into the stored ones.
        provenance: Their provenance.
        remove: Opens of stored candles to remove unless they are replaced, ns UTC, shape (k,).
    """

    new: OHLCV
    provenance: Provenance
    remove: _Times


def merge_into_series(
    place: CandlePlace, symbol: str, timeframe: Timeframe, change: Change, overwritten: str | None
) -> MergeReport:
    """Merge candles and their provenance into the files of a series; see `CandleCatalog.merge`."""
    series, source = place.series(symbol, timeframe), f"{symbol} {timeframe}"
    candles, provenance, remove = change
    _check(source, candles)
    check_spacing(source, candles.time, timeframe)
    fetched = split_by_year(provenance.fetched)
    if not len(candles.time) and not fetched and not len(remove):
        return MergeReport(0, 0, 0, (), None, None)
    with series.locked():
        files = {file.year: file for file in series.files()}
        stored = {year: summarize(file) for year, file in files.items()}
        spans = {year: summary.span for year, summary in stored.items() if summary.span}
        require_same_source(source, merge_provenance(file.footer.provenance for file in stored.values()), provenance)
        years = assign_years(candles.time, spans)
        removals = assign_years(remove, spans)
        _check_grid(source, candles.time, _ends_kept(spans.values(), remove), timeframe)
        by_year: dict[int, _MergedYear] = {}
        for year in _write_order(candles.time, years, {*fetched, *removals.tolist()}):
            part = Provenance(fetched.get(year, ()), provenance.source)
            of_year = Change(candles.rows(years == year), part, remove[removals == year])
            by_year[year] = _merge_year(files.get(year), of_year)
        if overwritten not in {None, _overwritten_digest(by_year)}:
            raise ObjectChanged(source)
        for year, merged_year in by_year.items():
            merged_year.write(files.get(year) or series.new_file(year))
    merged = [merged_year.merged for merged_year in by_year.values()]
    return MergeReport(
        added=sum(rows.added for rows in merged),
        replaced=sum(rows.replaced for rows in merged),
        unchanged=sum(rows.unchanged for rows in merged),
        files=tuple(series.new_file(year).name for year in sorted(by_year) if by_year[year].changed),
        first=utc(candles.time[0]) if len(candles.time) else None,
        last=utc(candles.time[-1]) if len(candles.time) else None,
        removed=sum(rows.removed for rows in merged),
    )


def _write_order(time: npt.NDArray[np.int64], years: npt.NDArray[np.int64], fetched: Collection[int]) -> list[int]:
    """Return the years to write, those whose file takes candles of another UTC year first.

    The file of that other year records the candles as fetched, which must not be written before the candles are.
    """
    displaced = set(years[years != utc_years(time)].tolist())
    return sorted({*years.tolist(), *fetched}, key=lambda year: (year not in displaced, year))


@dataclass(frozen=True, slots=True)
class _MergedYear:
    """A year file with its change, not written yet.

    Attributes:
        old: The stored candles.
        new: Candles that were merged into them.
        merged: The result.
        extra: Further columns of the file, which are kept.
        provenance: That of the result.
        changed: Whether the file has to be written.
    """

    old: OHLCV
    new: OHLCV
    merged: MergedRows
    extra: Sequence[tuple[str, pa.ChunkedArray]]
    provenance: Provenance
    changed: bool

    def write(self, file: YearFile) -> None:
        """Replace the file, or remove it if nothing is left in it; do nothing if it is unchanged."""
        if not self.changed:
            return
        both = OHLCV(*(np.concatenate(pair)[self.merged.rows] for pair in zip(self.old, self.new, strict=True)))
        if not len(both.time) and self.provenance == Provenance():
            file.remove()
            return
        table = to_table(both, _take_extra(self.extra, self.merged.rows, len(self.old.time)))
        file.replace(encode(with_footer(table, Footer(self.provenance, columns_digest(both)))))


def _merge_year(stored: YearFile | None, change: Change) -> _MergedYear:
    """Merge a change into a year file, or into no candles if there is no file; write nothing."""
    old, footer, extra = OHLCV.empty(), Footer(), []
    if stored:
        with open_row_groups(stored) as file:
            old, footer = decode([file]).candles, file.footer
        _check(stored.name, old)
        check_digest(stored.name, old, footer)
        extra = read_extra_columns(stored)
    merged = merge_ohlcv(old, change.new, change.remove)
    provenance = merge_provenance((change.provenance, footer.provenance))
    changed = bool(merged.added or merged.replaced or merged.removed or provenance != footer.provenance)
    return _MergedYear(old, change.new, merged, extra, provenance, changed)


def _overwritten_digest(years: Mapping[int, _MergedYear]) -> str:
    """Return the digest of the stored candles that will be overwritten in all years."""
    return columns_digest(OHLCV.concat(years[year].merged.overwritten for year in sorted(years)))


def _take_extra(
    extra: Sequence[tuple[str, pa.ChunkedArray]], rows: npt.NDArray[np.intp], old: int
) -> list[tuple[str, pa.ChunkedArray]]:
    """Return extra columns of `old` rows in the order of merged rows, with nulls for new candles."""
    kept = pa.array(rows, mask=rows >= old)
    return [(name, column.take(kept)) for name, column in extra]


def _check(source: str, candles: OHLCV) -> None:
    check_times(source, candles.time, row_label)
    check_prices(source, candles, row_label)


def require_same_source(series: str, stored: Provenance, new: Provenance) -> None:
    """Reject fetching one series from two exchanges, whose prices differ.

    Raises:
        InvalidInput: The sources differ; the message names both.
    """
    if stored.source and new.source and stored.source != new.source:
        reason = coded("other_source", series=series, stored=stored.source, new=new.source)
        raise InvalidInput([Problem("exchange", reason)])


def _ends_kept(spans: Iterable[FileSpan], remove: _Times) -> list[int]:
    """Return the first and the last open of each file, without those that are removed."""
    return [end for span in spans for end in (span.first, span.last) if end not in remove]


def require_stored_grid(place: CandlePlace, symbol: str, timeframe: Timeframe, time: _Times, remove: _Times) -> None:
    """Reject candles that `merge_into_series` would reject, because they open between the stored ones.

    Args:
        place: Where the candles are stored.
        symbol: The market.
        timeframe: Length of the candles.
        time: Opens of the candles, ns UTC, shape (n,).
        remove: Opens of stored candles that would be removed, ns UTC, shape (k,).

    Raises:
        InvalidCandles: The message contains the open of a stored candle.
    """
    spans = [span for file in place.series(symbol, timeframe).files() if (span := summarize(file).span)]
    _check_grid(f"{symbol} {timeframe}", time, _ends_kept(spans, remove), timeframe)


def _check_grid(source: str, time: _Times, stored: Sequence[int], timeframe: Timeframe) -> None:
    """Reject candles that would open between the stored ones."""
    if stored and len(time) and (time[0] - stored[0]) % timeframe.ns:
        first = coded("off_stored_grid", time=utc(time[0]), stored=utc(stored[0]))
        raise InvalidCandles(source, len(time), first)
