"""The stored candles: `root/{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet`, read and merged. Years are those of UTC."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd

from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe, day_range, seoul_day, utc
from coin_pipeline.candles.validation import check_prices, check_times
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.parquet import RowGroups, open_row_groups, summary
from coin_pipeline.candles.year_files.paths import name_under, series_folder, stored_symbols, year_files
from coin_pipeline.candles.year_files.writer import MergeReport, merge_into_series, row_label
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile


@dataclass(frozen=True, slots=True)
class StoredCandles:
    """What is stored of one market in one timeframe.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        first: Open of the first candle, UTC.
        last: Open of the last candle, UTC.
        rows: How many candles.
        files: In how many year files.
        bytes: Size of those.
        known: What was fetched of them, and where.
    """

    symbol: str
    timeframe: Timeframe
    first: datetime
    last: datetime
    rows: int
    files: int
    bytes: int
    provenance: Provenance

    @property
    def present_ratio(self) -> float:
        """Candles as a fraction of those from the first to the last, with one in each place."""
        return self.rows / (1 + (self.last - self.first) // timedelta(microseconds=self.timeframe.ns // 1000))


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Candles of a range with what is known of them, all from the same files.

    Attributes:
        bars: The candles.
        known: What was fetched, of the whole years that were read.
        snapshot: SHA-256 that names the candles of these years: the same one, the same candles.
    """

    bars: Bars
    provenance: Provenance
    snapshot: str


class CandleCatalog:
    """The candles under one folder; whatever else lies there is left alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, symbol: str, timeframe: Timeframe, start: date, end: date) -> Bars:
        """Return the candles that open on the Seoul days from start to end, both included; none is no error.

        Raises:
            InvalidSymbol, InvalidCandleFile, InvalidCandles: As for `load`.
        """
        return self.load(symbol, timeframe, start, end).bars

    def load(self, symbol: str, timeframe: Timeframe, start: date, end: date) -> CandleSeries:
        """Return what `read` does, with what is known of it.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A file that may hold some of them cannot be read.
            InvalidCandles: They are out of order, or no market can have produced them.
        """
        folder = series_folder(self.root, symbol, timeframe)
        begin, stop = day_range(start, end)
        files = [path for path in year_files(folder) if utc(begin).year <= int(path.stem) <= end.year]
        with ExitStack() as opened:
            parts = {
                path.name: opened.enter_context(open_row_groups(path, self._name(path), begin, stop)) for path in files
            }
            columns, sound = decode(list(parts.values()))
        if not sound:
            check_times(self._name(folder), columns.time, lambda row: _locate(parts, row))
        low, high = np.searchsorted(columns.time, (begin, stop)).tolist()
        inside = columns.rows(slice(low, high))
        if not sound:
            check_prices(self._name(folder), inside, lambda row: _locate(parts, low + row))
        known = merge_provenance(part.footer.provenance for part in parts.values())
        return CandleSeries(Bars(*inside), known, _snapshot(zip(files, parts.values(), strict=True)))

    def provenance(self, symbol: str, timeframe: Timeframe) -> Provenance:
        """Return what is known of a series beside its candles; nothing where nothing is stored.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: The footer of a file cannot be read, or a series is stored under two spellings.
        """
        files = year_files(series_folder(self.root, symbol, timeframe))
        return merge_provenance(summary(path, self._name(path)).footer.provenance for path in files)

    def stored(self, symbol: str, timeframe: Timeframe | None = None) -> list[StoredCandles]:
        """Return what is stored of a market, shortest timeframe first.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: The footer of a file cannot be read, or a series is stored under two spellings.
        """
        wanted = TIMEFRAMES.values() if timeframe is None else (timeframe,)
        found = (self._stored(parse_symbol(symbol), each) for each in wanted)
        return [candles for candles in found if candles is not None]

    def symbols(self) -> list[str]:
        """Return the markets that have a folder, by name."""
        return stored_symbols(self.root)

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
        spans = (f"{each.timeframe} {seoul_day(each.first)}..{seoul_day(each.last)}" for each in series)
        return f"stored: {', '.join(spans)}" if series else "nothing stored"

    def merge(
        self,
        symbol: str,
        timeframe: Timeframe,
        frame: pd.DataFrame,
        *,
        fetched: Iterable[Interval] = (),
        source: str | None = None,
    ) -> MergeReport:
        """Store candles beside those that are there; of two at the same time the new one stays.

        Each year file is replaced as a whole, with what was fetched of it. When one cannot be written the years before
        it are stored already, and the same merge may simply be run again.

        Args:
            symbol: The market.
            timeframe: Length of the candles.
            frame: Columns timestamp (with a zone), open, high, low, close, volume, in order of time.
            fetched: Intervals of which `frame` holds every candle that there is, ns UTC; it may hold none.
            source: The exchange that was asked for them.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidInput: What is stored was fetched from another exchange; nothing is stored.
            InvalidCandles: The new candles, or those stored in their years, are impossible; nothing is stored.
            InvalidCandleFile: A column is missing, or a stored file cannot be read.
            StorageFull: No space; what was stored is as it was.
            StorageFailed: The files cannot be written.
        """
        return merge_into_series(self.root, parse_symbol(symbol), timeframe, frame, Provenance(tuple(fetched), source))

    def _stored(self, symbol: str, timeframe: Timeframe) -> StoredCandles | None:
        files = year_files(series_folder(self.root, symbol, timeframe))
        summaries = [summary(path, self._name(path)) for path in files]
        spans = [each.span for each in summaries if each.span]
        if not spans:
            return None
        return StoredCandles(
            symbol=symbol,
            timeframe=timeframe,
            first=utc(min(span.first for span in spans)),
            last=utc(max(span.last for span in spans)),
            rows=sum(span.rows for span in spans),
            files=len(files),
            bytes=sum(path.stat().st_size for path in files),
            provenance=merge_provenance(each.footer.provenance for each in summaries),
        )

    def _name(self, path: Path) -> str:
        """Return what an error calls a file or folder: its path under the root, which is nobody's secret."""
        return name_under(self.root, path)


def _locate(parts: Mapping[str, RowGroups], row: int) -> str:
    """Return the file, and the number there, of a row of all parts together."""
    ends = list(accumulate(part.rows for part in parts.values()))
    place = bisect_right(ends, row)
    name, part = list(parts.items())[place]
    return f"{name} {row_label(part.first_row + row - ends[place] + part.rows)}"


def _snapshot(parts: Iterable[tuple[Path, RowGroups]]) -> str:
    """Return one digest for the candles of several files; those of a file that says nothing are its bytes."""
    digest = hashlib.sha256()
    for path, part in parts:
        content = part.footer.sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
