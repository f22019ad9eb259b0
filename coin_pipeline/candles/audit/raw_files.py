"""The rows of year files as they are, however bad: read for looking at them, never for a backtest."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.catalog import CandleCatalog, StoredCandles
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.intervals import Interval, subtract
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe
from coin_pipeline.candles.validation import sorted_unique
from coin_pipeline.candles.year_files.arrow import NO_CANDLES, to_ohlcv
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.parquet import FileSummary, open_row_groups, summary
from coin_pipeline.candles.year_files.paths import name_under, series_folder, year_files
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles


class Rows(NamedTuple):
    """Rows of a file in their order, and which they are, from 0."""

    columns: OHLCV
    numbers: npt.NDArray[np.intp]

    def within(self, begin: int, end: int) -> "Rows":
        """Return the rows that open in [begin, end)."""
        inside = (self.columns.time >= begin) & (self.columns.time < end)
        return self if inside.all() else Rows(self.columns.rows(inside), self.numbers[inside])

    def number_at(self, ns: int) -> int | None:
        """Return which row, from 1, opens at an instant; None if none does."""
        found = np.flatnonzero(self.columns.time == ns)
        return int(self.numbers[found[0]]) + 1 if len(found) else None


NO_ROWS = Rows(to_ohlcv(NO_CANDLES), np.arange(0))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A year file; `summary` is what its footer says, or the sentence that tells why that cannot be read."""

    path: Path
    name: str
    summary: FileSummary | str

    @property
    def span(self) -> Interval | None:
        """Opens of its first and last candle, if it has any."""
        if isinstance(self.summary, str) or self.summary.span is None:
            return None
        return self.summary.span.first, self.summary.span.last

    @property
    def candles(self) -> int:
        """How many candles it holds, as far as can be read."""
        return 0 if isinstance(self.summary, str) or self.summary.span is None else self.summary.span.rows

    def read(self) -> tuple[Rows, str | None]:
        """Return all rows, and the digest that was stored with them.

        Raises:
            InvalidCandleFile: The file cannot be read.
            InvalidCandles: A row has no time.
        """
        with open_row_groups(self.path, self.name) as part:
            columns = decode([part]).columns
        return Rows(columns, np.arange(len(columns.time))), part.footer.sha256

    def between(self, begin: int, end: int) -> OHLCV:
        """Return the candles of [begin, end), and what else is in their row groups.

        Raises:
            InvalidCandleFile, InvalidCandles: As for `read`.
        """
        with open_row_groups(self.path, self.name, begin, end) as part:
            return decode([part]).columns


def stored_files(catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> list[StoredFile]:
    """Return the files of a series, oldest first.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: The series is stored under two spellings.
    """
    found = []
    for path in year_files(series_folder(catalog.root, symbol, timeframe)):
        name = name_under(catalog.root, path)
        try:
            found.append(StoredFile(path, name, summary(path, name)))
        except (InvalidCandleFile, InvalidCandles) as error:
            found.append(StoredFile(path, name, str(error)))
    return found


def provenance_of(files: Iterable[StoredFile]) -> Provenance:
    """Return what the files that can be read say was fetched."""
    return merge_provenance(file.summary.footer.provenance for file in files if not isinstance(file.summary, str))


def common_phase(files: Iterable[StoredFile], timeframe: Timeframe) -> int:
    """Return where the files that hold most of the candles say that these open, ns after a multiple of their length."""
    votes: dict[int, int] = {timeframe.phase_ns: 0}
    for file in files:
        if file.span:
            phase = file.span[0] % timeframe.ns
            votes[phase] = votes.get(phase, 0) + file.candles
    return max(votes, key=lambda phase: votes[phase])


def rows_between(files: Iterable[StoredFile], begin: int, end: int) -> OHLCV:
    """Return the candles of [begin, end) from the files that can be read, and what else is in their row groups."""
    found = [to_ohlcv(NO_CANDLES)]
    for file in files:
        if file.span and file.span[0] < end and file.span[1] >= begin:
            try:
                found.append(file.between(begin, end))
            except (InvalidCandleFile, InvalidCandles):  # looking at that series says so
                continue
    return OHLCV(*map(np.concatenate, zip(*found, strict=True)))


def span_coverage(catalog: CandleCatalog, stored: StoredCandles) -> tuple[int, int]:
    """Return how many candles the span of a series would have, and how many of them are missing and were not fetched.

    Files are only read where their footers do not tell it.
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
