"""Unvalidated rows of year files, however invalid: read for audits, never for a backtest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.intervals import Interval, subtract
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe
from coin_pipeline.candles.validation import sorted_unique
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.parquet import FileSummary, open_row_groups, summarize
from coin_pipeline.candles.year_files.places import YearFile
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles


class NumberedRows(NamedTuple):
    """Rows of a file in stored order, and their row numbers from 0."""

    candles: OHLCV
    numbers: npt.NDArray[np.intp]

    def within(self, begin: int, end: int) -> "NumberedRows":
        """Return the rows that open in [begin, end), ns UTC."""
        inside = (self.candles.time >= begin) & (self.candles.time < end)
        return self if inside.all() else NumberedRows(self.candles.rows(inside), self.numbers[inside])

    def number_at(self, ns: int) -> int | None:
        """Return the row number, from 1, of the first row that opens at an instant, or None."""
        matches = np.flatnonzero(self.candles.time == ns)
        return int(self.numbers[matches[0]]) + 1 if len(matches) else None


NO_ROWS = NumberedRows(OHLCV.empty(), np.arange(0))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A year file; `summary` is an error message if its footer cannot be read."""

    file: YearFile
    summary: FileSummary | str

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.file.name

    @property
    def span(self) -> Interval | None:
        """Opens of its first and last candle, or None."""
        if isinstance(self.summary, str) or self.summary.span is None:
            return None
        return self.summary.span.first, self.summary.span.last

    @property
    def row_count(self) -> int:
        """Number of candles; 0 if the file cannot be read."""
        return 0 if isinstance(self.summary, str) or self.summary.span is None else self.summary.span.rows

    def read(self) -> tuple[NumberedRows, str | None]:
        """Return all rows, and the digest stored with them.

        Raises:
            InvalidCandleFile: The file cannot be read.
            InvalidCandles: A row has no time.
        """
        with open_row_groups(self.file) as file:
            candles = decode([file]).candles
        return NumberedRows(candles, np.arange(len(candles.time))), file.footer.sha256

    def between(self, begin: int, end: int) -> OHLCV:
        """Return the candles of [begin, end), ns UTC, and the rest of their row groups.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `read`.
        """
        with open_row_groups(self.file, begin, end) as file:
            return decode([file]).candles


def stored_files(catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> list[StoredFile]:
    """Return the files of a series, oldest first.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: The series is stored under two spellings.
    """
    files = []
    for file in catalog.place.series(symbol, timeframe).files():
        try:
            files.append(StoredFile(file, summarize(file)))
        except (InvalidCandleFile, InvalidCandles) as error:
            files.append(StoredFile(file, str(error)))
    return files


def provenance_of(files: Iterable[StoredFile]) -> Provenance:
    """Return the provenance of the readable files."""
    return merge_provenance(file.summary.footer.provenance for file in files if not isinstance(file.summary, str))


def common_phase(files: Iterable[StoredFile], timeframe: Timeframe) -> int:
    """Return the phase of most candles, by the first open of each file, in ns after a multiple of their length."""
    votes: dict[int, int] = {timeframe.phase_ns: 0}
    for file in files:
        if file.span:
            phase = file.span[0] % timeframe.ns
            votes[phase] = votes.get(phase, 0) + file.row_count
    return max(votes, key=lambda phase: votes[phase])


def rows_between(files: Iterable[StoredFile], begin: int, end: int) -> OHLCV:
    """Return the candles of [begin, end), ns UTC, from the readable files, and the rest of their row groups."""
    chunks = []
    for file in files:
        if file.span and file.span[0] < end and file.span[1] >= begin:
            try:
                chunks.append(file.between(begin, end))
            except (InvalidCandleFile, InvalidCandles):  # the audit of that series reports it
                continue
    return OHLCV.concat(chunks)


def span_coverage(catalog: CandleCatalog, stored: StoredCandles) -> tuple[int, int]:
    """Return the expected candles in the span of a series, and how many are missing that were never fetched.

    Files are read only if their footers do not answer this.
    """
    step, fetched = stored.timeframe.ns, stored.provenance.fetched
    begin, last = (int(instant.timestamp()) * SECOND_NS for instant in (stored.first, stored.last))
    end = last + step
    expected = max(stored.rows, (end - begin) // step)
    if expected == stored.rows or not subtract((begin, end), fetched):
        return expected, 0
    missing, cursor = 0, begin
    for file in stored_files(catalog, stored.symbol, stored.timeframe):  # one year in memory at a time
        if file.span:
            time = sorted_unique(rows_between([file], file.span[0], file.span[1] + 1).time)
            until = file.span[1] + step
            missing += coverage(time, stored.timeframe, cursor, max(cursor, until), fetched).not_fetched
            cursor = max(cursor, until)
    return expected, missing
