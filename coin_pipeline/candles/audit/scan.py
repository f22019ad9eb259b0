"""Audit of one stored series: every row, however invalid, and the agreement with other timeframes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from time import time_ns

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.audit.cross_timeframe import ComparedSeries, disagreements
from coin_pipeline.candles.audit.days import DayCounter
from coin_pipeline.candles.audit.findings import (
    MAX_EXAMPLES,
    AuditFinding,
    Example,
    gap_findings,
    group_findings,
    row_findings,
)
from coin_pipeline.candles.audit.raw_files import (
    NO_ROWS,
    NumberedRows,
    StoredFile,
    common_phase,
    provenance_of,
    rows_between,
    stored_files,
)
from coin_pipeline.candles.audit.report import AuditReport
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, clip
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import (
    HOUR_NS,
    TIMEFRAMES,
    Timeframe,
    day_range,
    format_utc,
)
from coin_pipeline.candles.validation import sorted_unique
from coin_pipeline.errors import CoinError, InvalidCandleFile, InvalidCandles

_MARGIN_NS = 15 * HOUR_NS  # more than the tested clock errors


def audit_series(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe, start: date | None = None, end: date | None = None
) -> AuditReport:
    """Audit every stored row of a series. Invalid data is reported, never raised.

    One year of candles is in memory at a time, along with the same time of another timeframe.

    Args:
        catalog: The stored candles.
        symbol: The market.
        timeframe: Length of the candles.
        start: First day, Asia/Seoul; by default that of the first stored or fetched candle.
        end: Last day, inclusive; by default that of the last one.

    Raises:
        InvalidSymbol: The symbol is not a market.
    """
    files, broken = _files(catalog, symbol, timeframe)
    provenance = provenance_of(files)
    spans = [*provenance.fetched, *((file.span[0], file.span[1] + timeframe.ns) for file in files if file.span)]
    begin = min((first for first, _ in spans), default=0) if start is None else day_range(start, start)[0]
    newest = max((last for _, last in spans), default=0)
    closed = max(newest, time_ns() - timeframe.ns + 1)  # later candles do not exist yet
    stop = newest if end is None else min(day_range(end, end)[1], closed)
    on_grid = replace(timeframe, phase_ns=common_phase(files, timeframe))
    scan = _Scan(on_grid, provenance, (begin, max(begin, stop)), _comparable_series(catalog, symbol, timeframe))
    if broken:
        scan.add_unreadable(broken, None)
    for file in files:
        scan.add_file(file)
    return scan.report(parse_symbol(symbol), timeframe)


def _files(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe
) -> tuple[list[StoredFile], InvalidCandleFile | None]:
    """Return the files of a series; for a series stored under two spellings, no files and the error."""
    try:
        return stored_files(catalog, symbol, timeframe), None
    except InvalidCandleFile as error:
        return [], error


def _comparable_series(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe
) -> list[tuple[Timeframe, list[StoredFile]]]:
    """Return the shorter timeframes that must agree or, if none is stored, the next longer one."""
    stored = [(other, files) for other in TIMEFRAMES.values() if (files := _files(catalog, symbol, other)[0])]
    shorter = [(other, files) for other, files in stored if other.ns < timeframe.ns and not timeframe.ns % other.ns]
    longer = [(other, files) for other, files in stored if other.ns > timeframe.ns and not other.ns % timeframe.ns]
    return shorter or longer[:1]


class _Scan:
    """One pass over the files of a series, oldest first; its timeframe has the phase of most candles."""

    def __init__(
        self,
        timeframe: Timeframe,
        provenance: Provenance,
        bounds: Interval,
        others: Sequence[tuple[Timeframe, list[StoredFile]]],
    ) -> None:
        self._timeframe, self._provenance, self._others = timeframe, provenance, others
        self._begin, self._end = bounds
        self._rows = 0
        self._newest: int | None = None
        self._findings: list[AuditFinding] = []
        self._unfinished: AuditFinding | None = None
        self._days = DayCounter(timeframe, provenance, bounds)

    def add_file(self, file: StoredFile) -> None:
        """Audit the next file."""
        rows = self._read(file).within(self._begin, self._end)
        time, step = rows.candles.time, self._timeframe.ns
        self._findings += row_findings(file.name, *rows, self._timeframe, self._newest)
        self._rows += len(time)
        if not len(time):
            return
        time = sorted_unique(time)
        self._count_days(time, min(self._end, int(time[-1]) + step))
        if self._newest is None or time[-1] > self._newest:
            self._newest = int(time[-1])
            self._unfinished = self._check_closed(file, rows)
        self._findings += self._compare(file, rows)

    def add_unreadable(self, error: CoinError, file: str | None) -> None:
        """Report a file that cannot be read."""
        self._findings.append(AuditFinding("unreadable", "error", 1, (Example(None, file, None, str(error)),)))

    def report(self, symbol: str, timeframe: Timeframe) -> AuditReport:
        """Return the report, once all files have been added."""
        self._count_days(NO_ROWS.candles.time, self._end)
        findings = group_findings([*self._findings, *([self._unfinished] if self._unfinished else [])])
        counts = (self._days.first_day, self._days.days)
        bounds = (self._begin, self._end)
        return AuditReport(symbol, timeframe, *bounds, self._rows, self._provenance, findings, *counts)

    def _read(self, file: StoredFile) -> NumberedRows:
        """Return the rows of a file; if they cannot be read, none, and a finding."""
        try:
            rows, sha256 = file.read()
        except (InvalidCandleFile, InvalidCandles) as error:
            self.add_unreadable(error, file.name)
            return NO_ROWS
        if sha256 and columns_digest(rows.candles) != sha256:
            message = "its candles do not match the stored digest: another program has changed the file"
            example = Example(None, file.name, None, message)
            self._findings.append(AuditFinding("checksum", "error", 1, (example,)))
        return rows

    def _count_days(self, time: npt.NDArray[np.int64], end: int) -> None:
        """Count present and missing candles by day, from the end of the previous file to `end`."""
        part = self._days.add(time, end)
        if part:
            self._findings += gap_findings(part)

    def _check_closed(self, file: StoredFile, rows: NumberedRows) -> AuditFinding | None:
        """Return a finding if the newest candle was stored before it closed."""
        index = int(rows.candles.time.argmax())
        opens = int(rows.candles.time[index])
        closes = opens + self._timeframe.ns
        if file.file.modified_ns() >= closes:
            return None
        message = f"was stored before it closed at {format_utc(closes)}"
        example = Example(opens, file.name, int(rows.numbers[index]) + 1, message)
        return AuditFinding("unfinished", "warning", 1, (example,))

    def _compare(self, file: StoredFile, rows: NumberedRows) -> Iterator[AuditFinding]:
        """Yield disagreements with other timeframes."""
        time, step = rows.candles.time, self._timeframe.ns
        begin, end = int(time.min()), int(time.max()) + step
        own = ComparedSeries(rows.candles, self._timeframe, clip(self._provenance.fetched, (begin, end)))
        for timeframe, files in self._others:
            candles = rows_between(files, begin - _MARGIN_NS, end + _MARGIN_NS)
            other = ComparedSeries(candles, timeframe, provenance_of(files).fetched)
            pair = (other, own) if timeframe.ns < step else (own, other)
            for disagreement in disagreements(*pair):
                kind, message = _describe_disagreement(pair, disagreement.hours)
                opens = disagreement.time
                examples = tuple(
                    Example(ns, file.name, rows.number_at(ns), message) for ns in opens[:MAX_EXAMPLES].tolist()
                )
                yield AuditFinding(kind, "error", len(opens), examples)


def _describe_disagreement(pair: tuple[ComparedSeries, ComparedSeries], hours: int) -> tuple[str, str]:
    fine, coarse = (series.timeframe for series in pair)
    if hours:
        return "time_zone_slip", f"the {coarse} candle fits the {fine} candles {-hours:+d} h from there, not its own"
    return "inconsistent", f"the {coarse} candle differs from the one resampled from {fine} candles"
