"""Everything that can be said of the stored candles of one market and timeframe, however bad they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.audit.cross_timeframe import ComparedSeries, disagreements
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
    Rows,
    StoredFile,
    common_phase,
    provenance_of,
    rows_between,
    stored_files,
)
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import coverage, phase_of
from coin_pipeline.candles.intervals import Interval, clip
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import (
    DAY_NS,
    HOUR_NS,
    SEOUL_OFFSET_NS,
    TIMEFRAMES,
    Timeframe,
    day_range,
    format_utc,
)
from coin_pipeline.candles.validation import sorted_unique
from coin_pipeline.errors import CoinError, InvalidCandleFile, InvalidCandles

PRESENT, NO_TRADE, NOT_FETCHED = range(3)
"""Columns of `Audit.days`."""
_MARGIN_NS = 15 * HOUR_NS  # beyond the hours by which a clock may be wrong
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class AuditReport:
    """What was found of one series.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        begin: Start of what was looked at, ns UTC.
        end: Its end, exclusive, ns UTC.
        rows: Stored rows in it, sound or not.
        known: What was fetched of the series, and where.
        findings: What is wrong, one for each kind, the worst first.
        first_day: The Seoul day in which it begins.
        days: For each Seoul day from then on how many candles are there, do not exist since nobody traded, and were
            not fetched, shape (n, 3).
    """

    symbol: str
    timeframe: Timeframe
    begin: int
    end: int
    rows: int
    provenance: Provenance
    findings: tuple[AuditFinding, ...]
    first_day: date
    days: npt.NDArray[np.int64]

    @property
    def is_valid(self) -> bool:
        """Whether nothing was found that no market produces."""
        return all(each.severity != "error" for each in self.findings)

    @property
    def totals(self) -> tuple[int, int, int]:
        """Candles that are there, that do not exist, and that were not fetched."""
        present, no_trade, not_fetched = self.days.sum(axis=0).tolist()
        return present, no_trade, not_fetched


def audit_series(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe, start: date | None = None, end: date | None = None
) -> AuditReport:
    """Look at every stored row of a series; what is bad is reported, and raises nothing.

    One year of candles is in memory at a time, beside the same time of another timeframe.

    Args:
        catalog: Where the candles are.
        symbol: The market.
        timeframe: Length of the candles.
        start: First day, Asia/Seoul; by default that of the first candle or of the first that was fetched.
        end: Last day, included; by default likewise.

    Raises:
        InvalidSymbol: The symbol is not a market.
    """
    files, broken = _files(catalog, symbol, timeframe)
    known = provenance_of(files)
    spans = [*known.fetched, *((file.span[0], file.span[1] + timeframe.ns) for file in files if file.span)]
    begin = min((first for first, _ in spans), default=0) if start is None else day_range(start, start)[0]
    stop = max((last for _, last in spans), default=0) if end is None else day_range(end, end)[1]
    on_grid = replace(timeframe, phase_ns=common_phase(files, timeframe))
    scan = _Scan(on_grid, known, (begin, max(begin, stop)), _others(catalog, symbol, timeframe))
    if broken:
        scan.unreadable(broken, None)
    for file in files:
        scan.look_at(file)
    return scan.result(parse_symbol(symbol), timeframe)


def _files(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe
) -> tuple[list[StoredFile], InvalidCandleFile | None]:
    """Return the files of a series; none of one that is stored under two spellings, which the error tells."""
    try:
        return stored_files(catalog, symbol, timeframe), None
    except InvalidCandleFile as error:
        return [], error


def _others(catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> list[tuple[Timeframe, list[StoredFile]]]:
    """Return the shorter timeframes that must tell the same, or where there is none, the next longer one."""
    stored = [(each, files) for each in TIMEFRAMES.values() if (files := _files(catalog, symbol, each)[0])]
    shorter = [(each, files) for each, files in stored if each.ns < timeframe.ns and not timeframe.ns % each.ns]
    longer = [(each, files) for each, files in stored if each.ns > timeframe.ns and not each.ns % timeframe.ns]
    return shorter or longer[:1]


class _Scan:
    """One pass over the files of a series, oldest first; its timeframe has the phase of most of the candles."""

    def __init__(
        self,
        timeframe: Timeframe,
        known: Provenance,
        whole: Interval,
        others: Sequence[tuple[Timeframe, list[StoredFile]]],
    ) -> None:
        self._timeframe, self._known, self._others = timeframe, known, others
        self._begin, self._end = whole
        self._cursor, self._rows = self._begin, 0
        self._newest: int | None = None
        self._findings: list[AuditFinding] = []
        self._unfinished: AuditFinding | None = None
        self._first_day = _day(self._begin)
        self._days = np.zeros((max(0, _day(self._end - 1) - self._first_day + 1), 3), np.int64)

    def look_at(self, file: StoredFile) -> None:
        """Look at the next file."""
        rows = self._read(file).within(self._begin, self._end)
        columns, step = rows.columns, self._timeframe.ns
        self._findings += row_findings(file.name, *rows, self._timeframe, self._newest)
        self._rows += len(columns.time)
        if not len(columns.time):
            return
        time = sorted_unique(columns.time)
        self._cover(time, min(self._end, int(time[-1]) + step))
        if self._newest is None or time[-1] > self._newest:
            self._newest = int(time[-1])
            self._unfinished = self._closing(file, rows)
        self._findings += self._compared(file, rows)

    def unreadable(self, error: CoinError, file: str | None) -> None:
        """Note what cannot be looked at."""
        self._findings.append(AuditFinding("unreadable", "error", 1, (Example(None, file, None, str(error)),)))

    def result(self, symbol: str, timeframe: Timeframe) -> AuditReport:
        """Return what was found, once every file has been looked at."""
        self._cover(NO_ROWS.columns.time, self._end)
        found = group_findings([*self._findings, *([self._unfinished] if self._unfinished else [])])
        first = _EPOCH + timedelta(days=self._first_day)
        return AuditReport(symbol, timeframe, self._begin, self._end, self._rows, self._known, found, first, self._days)

    def _read(self, file: StoredFile) -> Rows:
        """Return the rows of a file; none where they cannot be read, which is found."""
        try:
            rows, sha256 = file.read()
        except (InvalidCandleFile, InvalidCandles) as error:
            self.unreadable(error, file.name)
            return NO_ROWS
        if sha256 and columns_digest(rows.columns) != sha256:
            told = "its candles are not those that were stored in it: another program has changed it since"
            self._findings.append(AuditFinding("checksum", "error", 1, (Example(None, file.name, None, told),)))
        return rows

    def _cover(self, time: npt.NDArray[np.int64], end: int) -> None:
        """Count what is there and what is missing from where the file before ended."""
        if end <= self._cursor:
            return
        found = coverage(time, self._timeframe, self._cursor, end, self._known.fetched)
        self._cursor = end
        phase, _ = phase_of(time, self._timeframe)
        missing, unfetched = (self._by_day(_opens(edges, found.step)) for edges in (found.edges, found.unfetched))
        on_grid = time[(time >= self._begin) & ((time - phase) % found.step == 0)]
        self._days += np.stack((self._by_day(on_grid), missing - unfetched, unfetched), axis=1)
        self._findings += gap_findings(found)

    def _by_day(self, opens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        days = (opens + SEOUL_OFFSET_NS) // DAY_NS - self._first_day
        counts: npt.NDArray[np.int64] = np.bincount(days, minlength=len(self._days))
        return counts

    def _closing(self, file: StoredFile, rows: Rows) -> AuditFinding | None:
        """Return that the newest candle was stored before it had ended, if it was."""
        place = int(rows.columns.time.argmax())
        closes = int(rows.columns.time[place]) + self._timeframe.ns
        if file.path.stat().st_mtime_ns >= closes:
            return None
        told = f"was stored before it ended at {format_utc(closes)}"
        example = Example(int(rows.columns.time[place]), file.name, int(rows.numbers[place]) + 1, told)
        return AuditFinding("unfinished", "warning", 1, (example,))

    def _compared(self, file: StoredFile, rows: Rows) -> Iterator[AuditFinding]:
        """Yield where other timeframes tell something else."""
        time, step = rows.columns.time, self._timeframe.ns
        begin, end = int(time.min()), int(time.max()) + step
        own = ComparedSeries(rows.columns, self._timeframe, clip(self._known.fetched, (begin, end)))
        for timeframe, files in self._others:
            columns = rows_between(files, begin - _MARGIN_NS, end + _MARGIN_NS)
            other = ComparedSeries(columns, timeframe, provenance_of(files).fetched)
            pair = (other, own) if timeframe.ns < step else (own, other)
            for each in disagreements(*pair):
                kind, told = _disagreement(pair, each.hours)
                examples = tuple(
                    Example(ns, file.name, rows.number_at(ns), told) for ns in each.time[:MAX_EXAMPLES].tolist()
                )
                yield AuditFinding(kind, "error", len(each.time), examples)


def _disagreement(pair: tuple[ComparedSeries, ComparedSeries], hours: int) -> tuple[str, str]:
    fine, coarse = (each.timeframe for each in pair)
    if hours:
        return "time_zone_slip", f"the {coarse} candle fits the {fine} candles {-hours:+d} h from there, not its own"
    return "inconsistent", f"the {fine} candles make another {coarse} candle"


def _opens(edges: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """Return the opens of the candles in gaps."""
    counts = (edges[:, 1] - edges[:, 0]) // step
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    opens: npt.NDArray[np.int64] = np.repeat(edges[:, 0], counts) + step * within
    return opens


def _day(ns: int) -> int:
    """Return the number of the Seoul day of an instant."""
    return (ns + SEOUL_OFFSET_NS) // DAY_NS


def audit_json(found: AuditReport) -> dict[str, Any]:
    """Return an audit as JSON: what was looked at, how much of it is there, and what is wrong with it."""
    present, no_trade, not_fetched = found.totals
    expected = present + no_trade + not_fetched
    return {
        "symbol": found.symbol,
        "timeframe": found.timeframe.name,
        "start": format_utc(found.begin),
        "end": format_utc(found.end),
        "rows": found.rows,
        "expected": expected,
        "present": present,
        "no_trade": no_trade,
        "not_fetched": not_fetched,
        "known": 1 - not_fetched / expected if expected else 1.0,
        "source": found.provenance.source,
        "fetched": [{"start": format_utc(start), "end": format_utc(end)} for start, end in found.provenance.fetched],
        "sound": found.is_valid,
        "findings": [
            {
                "kind": each.kind,
                "severity": each.severity,
                "count": each.occurrences,
                "examples": [_example_json(example) for example in each.examples],
            }
            for each in found.findings
        ],
    }


def _example_json(example: Example) -> dict[str, Any]:
    return {
        "time": None if example.time is None else format_utc(example.time),
        "file": example.file,
        "row": example.row,
        "told": example.message,  # prose: ok -- a key of the published JSON
    }
