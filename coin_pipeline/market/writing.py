"""Merging candles into the year files of a series, one merger at a time."""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from coin_pipeline.errors import InvalidCandles, InvalidInput, Problem
from coin_pipeline.market.candle_table import NO_CANDLES, columns_of, plain_table, stored_table
from coin_pipeline.market.decoding import decode
from coin_pipeline.market.footer import Footer, Known, check_digest, columns_digest, together, with_footer
from coin_pipeline.market.layout import name_under, series_folder, year_files
from coin_pipeline.market.merge import Merged, MergeReport, by_year, file_years, merge_columns, utc_years
from coin_pipeline.market.quality import Columns, check_prices, check_spacing, check_times, utc
from coin_pipeline.market.timeframe import Timeframe
from coin_pipeline.market.year_file import Span, open_part, read_others, replace, summary
from coin_pipeline.storage.atomic import storing


def write_candles(root: Path, symbol: str, timeframe: Timeframe, frame: pd.DataFrame, new: Known) -> MergeReport:
    """Merge candles, and what is known of them, into a series: `CandleCatalog.merge` tells how."""
    folder, source = series_folder(root, symbol, timeframe), f"{symbol} {timeframe}"
    candles = columns_of(plain_table(source, pa.Table.from_pandas(frame, preserve_index=False)))
    _check(source, candles)
    check_spacing(source, candles.time, timeframe)
    fetched = by_year(new.fetched)
    if not len(candles.time) and not fetched:
        return MergeReport(0, 0, 0, (), None, None)
    with _locked(folder, name_under(root, folder)):
        stored = {int(path.stem): summary(path, name_under(root, path)) for path in year_files(folder)}
        spans = {year: each.span for year, each in stored.items() if each.span}
        require_source(source, together(each.footer.known for each in stored.values()), new)
        _check_grid(source, candles.time, spans.values(), timeframe)
        years = file_years(candles.time, spans)
        done = {}
        for year in _in_order(candles.time, years, fetched):
            path = folder / f"{year:04d}.parquet"
            told = Known(fetched.get(year, ()), new.source)
            done[path] = _merge_year(path, name_under(root, path), candles.rows(years == year), told)
    return MergeReport(
        added=sum(merged.added for merged, _ in done.values()),
        replaced=sum(merged.replaced for merged, _ in done.values()),
        unchanged=sum(merged.unchanged for merged, _ in done.values()),
        files=tuple(name_under(root, path) for path, (_, written) in sorted(done.items()) if written),
        first=utc(candles.time[0]) if len(candles.time) else None,
        last=utc(candles.time[-1]) if len(candles.time) else None,
    )


def numbered(row: int) -> str:
    """Return what an error calls a row, the first of which is 0."""
    return f"row {row + 1}"


def _in_order(time: npt.NDArray[np.int64], years: npt.NDArray[np.int64], fetched: Collection[int]) -> list[int]:
    """Return the years to write: first those whose file takes candles of another UTC year.

    That year's own file says that they were fetched, which must not be written before they are.
    """
    displaced = set(years[years != utc_years(time)].tolist())
    return sorted({*years.tolist(), *fetched}, key=lambda year: (year not in displaced, year))


def _merge_year(path: Path, name: str, new: Columns, told: Known) -> tuple[Merged, bool]:
    """Merge candles into a file; return what that changed of them, and whether the file was written."""
    old, before, others = columns_of(NO_CANDLES), Footer(), []
    if path.exists():
        with open_part(path, name) as part:
            old, before = decode([part]).columns, part.footer
        _check(name, old)
        check_digest(name, old, before)
        others = read_others(path, name)
    merged, known = merge_columns(old, new), together((told, before.known))
    changed = merged.added or merged.replaced or known != before.known
    if changed:
        both = Columns(*(np.concatenate(pair)[merged.rows] for pair in zip(old, new, strict=True)))
        # Further columns of an old file belong to its old candles: beside a new one they stay empty.
        kept = pa.array(merged.rows, mask=merged.rows >= len(old.time))
        table = stored_table(both, [(column, values.take(kept)) for column, values in others])
        replace(path, name, with_footer(table, Footer(known, columns_digest(both))))
    return merged, bool(changed)


def _check(source: str, columns: Columns) -> None:
    check_times(source, columns.time, numbered)
    check_prices(source, columns, numbered)


def require_source(series: str, stored: Known, new: Known) -> None:
    """Refuse to fetch a series from two exchanges: their prices differ, and so would the series from day to day.

    Raises:
        InvalidInput: It names both.
    """
    if stored.source and new.source and stored.source != new.source:
        reason = f"{series} was fetched from {stored.source}, not from {new.source}; use another DATA_ROOT for that"
        raise InvalidInput([Problem("exchange", reason)])


def _check_grid(source: str, time: npt.NDArray[np.int64], spans: Collection[Span], timeframe: Timeframe) -> None:
    """Refuse candles that would lie between the stored ones."""
    known = next(iter(spans), None)
    if known and len(time) and (time[0] - known.first) % timeframe.ns:
        reason = f"row 1 opens at {utc(time[0])}, off the grid of the stored candles, one of which opens at"
        raise InvalidCandles(source, len(time), f"{reason} {utc(known.first)}")


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Let one merger at a time into a series, of this and every other process."""
    with storing(name):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
