"""The stored candles: `root/{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet`, read and merged. Years are those of UTC."""

import fcntl
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles
from coin_pipeline.market.candle_table import NO_CANDLES, columns_of, plain_table, stored_table
from coin_pipeline.market.layout import series_folder, stored_symbols, year_files
from coin_pipeline.market.merge import Merged, MergeReport, file_years, merge_columns
from coin_pipeline.market.quality import Columns, check_prices, check_spacing, check_times, utc
from coin_pipeline.market.symbol import parse_symbol
from coin_pipeline.market.timeframe import SEOUL_OFFSET_NS, TIMEFRAMES, Timeframe, day_range
from coin_pipeline.market.year_file import Part, Span, read_others, read_part, replace, span
from coin_pipeline.storage.atomic import storing

_ALL_TIME = (-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class StoredCandles:
    """What is stored of one market in one timeframe: opens of its first and last candle in UTC, and its size."""

    symbol: str
    timeframe: Timeframe
    first: datetime
    last: datetime
    rows: int
    files: int
    bytes: int


class CandleCatalog:
    """The candles under one folder; whatever else lies there is left alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, symbol: str, timeframe: Timeframe, start: date, end: date) -> Bars:
        """Return the candles that open on the Seoul days from start to end, both included; none is no error.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A file that may hold some of them cannot be read.
            InvalidCandles: They are out of order, or no market can have produced them.
        """
        folder = series_folder(self.root, symbol, timeframe)
        begin, stop = day_range(start, end)
        files = [path for path in year_files(folder) if utc(begin).year <= int(path.stem) <= end.year]
        parts = {path.name: read_part(path, self._name(path), begin, stop) for path in files}
        columns = columns_of(pa.concat_tables([NO_CANDLES, *(part.table for part in parts.values())]))
        check_times(self._name(folder), columns.time, lambda row: _locate(parts, row))
        low, high = np.searchsorted(columns.time, (begin, stop)).tolist()
        inside = columns.rows(slice(low, high))
        check_prices(self._name(folder), inside, lambda row: _locate(parts, low + row))
        return Bars(*inside)

    def stored(self, symbol: str, timeframe: Timeframe | None = None) -> list[StoredCandles]:
        """Return what is stored of a market, shortest timeframe first.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: The footer of a file cannot be read, or a series is stored under two spellings.
        """
        wanted = TIMEFRAMES.values() if timeframe is None else (timeframe,)
        found = (self._stored(parse_symbol(symbol), each) for each in wanted)
        return [candles for candles in found if candles is not None]

    def inventory(self) -> tuple[list[StoredCandles], list[InvalidCandleFile]]:
        """Return what is stored of every market, by symbol and timeframe, and what is wrong with the other series."""
        found: list[StoredCandles] = []
        broken: list[InvalidCandleFile] = []
        for symbol in stored_symbols(self.root):
            for timeframe in TIMEFRAMES.values():
                try:
                    found += self.stored(symbol, timeframe)
                except InvalidCandleFile as error:
                    broken.append(error)
        return found, broken

    def describe(self, symbol: str) -> str:
        """Return a phrase for an error message: what is stored of a market, in Seoul days.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: As for `stored`.
        """
        series = self.stored(symbol)
        spans = (f"{each.timeframe} {_seoul_day(each.first)}..{_seoul_day(each.last)}" for each in series)
        return f"stored: {', '.join(spans)}" if series else "nothing stored"

    def merge(self, symbol: str, timeframe: Timeframe, frame: pd.DataFrame) -> MergeReport:
        """Store candles beside those that are there; of two at the same time the new one stays.

        Each year file is replaced as a whole. When one cannot be written the years before it are stored already, and
        the same merge may simply be run again.

        Args:
            symbol: The market.
            timeframe: Length of the candles.
            frame: Columns timestamp (with a zone), open, high, low, close, volume, in order of time.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandles: The new candles, or those stored in their years, are impossible; nothing is stored.
            InvalidCandleFile: A column is missing, or a stored file cannot be read.
            StorageFull: No space; what was stored is as it was.
            StorageFailed: The files cannot be written.
        """
        folder = series_folder(self.root, symbol, timeframe)
        source = f"{parse_symbol(symbol)} {timeframe}"
        new = columns_of(plain_table(source, pa.Table.from_pandas(frame, preserve_index=False)))
        _check(source, new)
        check_spacing(source, new.time, timeframe)
        if not len(new.time):
            return MergeReport(0, 0, 0, (), None, None)
        with _locked(folder, self._name(folder)):
            spans = {int(path.stem): span(path, self._name(path)) for path in year_files(folder)}
            _check_grid(source, new.time, spans, timeframe)
            years = file_years(new.time, spans)
            paths = {year: folder / f"{year:04d}.parquet" for year in np.unique(years).tolist()}
            done = {path: self._merge_year(path, new.rows(years == year)) for year, path in paths.items()}
        return MergeReport(
            added=sum(merged.added for merged in done.values()),
            replaced=sum(merged.replaced for merged in done.values()),
            unchanged=sum(merged.unchanged for merged in done.values()),
            files=tuple(self._name(path) for path, merged in done.items() if merged.added or merged.replaced),
            first=utc(new.time[0]),
            last=utc(new.time[-1]),
        )

    def _merge_year(self, path: Path, new: Columns) -> Merged:
        name, old, others = self._name(path), columns_of(NO_CANDLES), []
        if path.exists():
            old = columns_of(read_part(path, name, *_ALL_TIME).table)
            _check(name, old)
            others = read_others(path, name)
        merged = merge_columns(old, new)
        if merged.added or merged.replaced:
            both = Columns(*(np.concatenate(pair)[merged.rows] for pair in zip(old, new, strict=True)))
            # Further columns of an old file belong to its old candles: beside a new one they stay empty.
            known = pa.array(merged.rows, mask=merged.rows >= len(old.time))
            replace(path, name, stored_table(both, [(column, values.take(known)) for column, values in others]))
        return merged

    def _stored(self, symbol: str, timeframe: Timeframe) -> StoredCandles | None:
        files = year_files(series_folder(self.root, symbol, timeframe))
        spans = [known for path in files if (known := span(path, self._name(path)))]
        if not spans:
            return None
        return StoredCandles(
            symbol=symbol,
            timeframe=timeframe,
            first=utc(min(known.first for known in spans)),
            last=utc(max(known.last for known in spans)),
            rows=sum(known.rows for known in spans),
            files=len(files),
            bytes=sum(path.stat().st_size for path in files),
        )

    def _name(self, path: Path) -> str:
        """Return what an error calls a file or folder: its path under the root, which is nobody's secret."""
        return path.relative_to(self.root).as_posix()


def _check(source: str, columns: Columns) -> None:
    check_times(source, columns.time, _numbered)
    check_prices(source, columns, _numbered)


def _numbered(row: int) -> str:
    return f"row {row + 1}"


def _locate(parts: Mapping[str, Part], row: int) -> str:
    """Return the file, and the number there, of a row of all parts together."""
    ends = list(accumulate(part.table.num_rows for part in parts.values()))
    place = bisect_right(ends, row)
    name, part = list(parts.items())[place]
    return f"{name} {_numbered(part.first_row + row - ends[place] + part.table.num_rows)}"


def _check_grid(
    source: str, time: npt.NDArray[np.int64], spans: Mapping[int, Span | None], timeframe: Timeframe
) -> None:
    """Refuse candles that would lie between the stored ones."""
    known = next((span for span in spans.values() if span), None)
    if known and (time[0] - known.first) % timeframe.ns:
        reason = f"row 1 opens at {utc(time[0])}, off the grid of the stored candles, one of which opens at"
        raise InvalidCandles(source, len(time), f"{reason} {utc(known.first)}")


def _seoul_day(instant: datetime) -> date:
    return (instant + timedelta(microseconds=SEOUL_OFFSET_NS // 1000)).date()


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Let one merger at a time into a series, of this and every other process."""
    with storing(name):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
