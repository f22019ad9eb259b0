"""Coverage calendar of a stored series: its candles by month, and its longest gaps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.audit.days import DayCounter
from coin_pipeline.candles.audit.raw_files import common_phase, provenance_of, stored_files
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import Coverage, CoverageVerdict, coverage_verdict
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.validation import sorted_unique
from coin_pipeline.errors import CandlesNotFound, InvalidCandleFile, InvalidCandles

GAPS_LISTED = 50
"""Gaps in a calendar."""
GapKind = Literal["no_trade", "not_fetched", "partly_fetched"]


class MonthCoverage(NamedTuple):
    """Candles of a calendar month in Seoul; all 0 outside of the series.

    Attributes:
        year: The year.
        month: The month, 1 to 12.
        present: Stored candles.
        no_trade: Missing candles that were fetched and do not exist, because there were no trades.
        not_fetched: Missing candles that were never fetched.
    """

    year: int
    month: int
    present: int
    no_trade: int
    not_fetched: int

    @property
    def expected(self) -> int:
        """Candles of a series without gaps."""
        return self.present + self.no_trade + self.not_fetched

    @property
    def state(self) -> CoverageVerdict | None:
        """Verdict on its candles, as for the range of a backtest; None outside of the series."""
        return coverage_verdict(self.expected, self.not_fetched) if self.expected else None


class SeriesGap(NamedTuple):
    """Consecutive missing candles.

    Attributes:
        start: Open of the first missing candle, ns UTC.
        end: Open of the next candle, or the end of what was fetched, ns UTC.
        missing: Number of missing candles.
        not_fetched: How many of them were never fetched.
    """

    start: int
    end: int
    missing: int
    not_fetched: int

    @property
    def kind(self) -> GapKind:
        """Why the candles are missing."""
        if not self.not_fetched:
            return "no_trade"
        return "not_fetched" if self.not_fetched == self.missing else "partly_fetched"


@dataclass(frozen=True, slots=True)
class CoverageCalendar:
    """Coverage of a stored series.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        months: Whole years of months, oldest first.
        gaps: The longest gaps, longest first.
        gap_count: Number of all gaps.
        unreadable: Messages about files that cannot be read; their candles count as missing.
    """

    symbol: str
    timeframe: Timeframe
    months: tuple[MonthCoverage, ...]
    gaps: tuple[SeriesGap, ...]
    gap_count: int
    unreadable: tuple[str, ...]

    @property
    def total(self) -> MonthCoverage:
        """The counts of all months together, as of the first one."""
        sums = np.array([month[2:] for month in self.months]).sum(axis=0).tolist()
        return MonthCoverage(*self.months[0][:2], *sums)


def coverage_calendar(catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> CoverageCalendar:
    """Count the candles of a stored series by month, from the first to the last one that is stored or was fetched.

    One year of candles is in memory at a time.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: The series is stored under two spellings.
        CandlesNotFound: No readable candle is stored.
    """
    files = stored_files(catalog, symbol, timeframe)
    spans = [(file.span[0], file.span[1] + timeframe.ns) for file in files if file.span]
    if not spans:
        raise CandlesNotFound({parse_symbol(symbol): catalog.describe(symbol, timeframe)}, timeframe.name)
    provenance = provenance_of(files)
    spans += provenance.fetched
    begin, end = min(start for start, _ in spans), max(stop for _, stop in spans)
    counter = DayCounter(replace(timeframe, phase_ns=common_phase(files, timeframe)), provenance, (begin, end))
    parts, unreadable = [], [file.summary for file in files if isinstance(file.summary, str)]
    for first, stop, file in ((*file.span, file) for file in files if file.span):
        try:
            parts.append(counter.add(sorted_unique(file.between(first, stop + 1).time), stop + timeframe.ns))
        except (InvalidCandleFile, InvalidCandles) as error:
            unreadable.append(str(error))
    parts.append(counter.add(np.empty(0, np.int64), end))
    gaps, gap_count = _longest(part for part in parts if part)
    return CoverageCalendar(parse_symbol(symbol), timeframe, _by_month(counter), gaps, gap_count, tuple(unreadable))


def _by_month(counter: DayCounter) -> tuple[MonthCoverage, ...]:
    """Return the sums of the days of each month, for whole years."""
    days = np.datetime64(counter.first_day, "D") + np.arange(len(counter.days))
    known = counter.days.any(axis=1)  # the last candle may close on a day without candles
    counted = days[known]
    first, last = counted[0].astype("datetime64[Y]"), counted[-1].astype("datetime64[Y]")
    months = np.arange(first.astype("datetime64[M]"), (last + 1).astype("datetime64[M]"))
    sums = np.zeros((len(months), 3), np.int64)
    np.add.at(sums, (counted.astype("datetime64[M]") - months[0]).astype(np.int64), counter.days[known])
    years = (1970 + months.astype("datetime64[Y]").astype(np.int64)).tolist()
    return tuple(
        MonthCoverage(year, 1 + number % 12, *row)
        for number, (year, row) in enumerate(zip(years, sums.tolist(), strict=True))
    )


def _longest(parts: Iterable[Coverage]) -> tuple[tuple[SeriesGap, ...], int]:
    """Return the longest gaps, and the number of all."""
    gaps = np.concatenate([_with_counts(part) for part in parts])
    order = np.argsort(-gaps[:, 2], kind="stable")[:GAPS_LISTED]
    return tuple(SeriesGap(*row) for row in gaps[order].tolist()), len(gaps)


def _with_counts(part: Coverage) -> npt.NDArray[np.int64]:
    """Return start, end, missing and unfetched candles of each gap, shape (k, 4)."""
    missing = (part.edges[:, 1] - part.edges[:, 0]) // part.step
    gap = np.searchsorted(part.edges[:, 0], part.unfetched[:, 0], side="right") - 1
    unfetched = np.zeros(len(part.edges), np.int64)
    np.add.at(unfetched, gap, (part.unfetched[:, 1] - part.unfetched[:, 0]) // part.step)
    return np.column_stack((part.edges, missing, unfetched))
