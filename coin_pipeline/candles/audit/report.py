"""The report of an audit, and its JSON form."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.audit.findings import AuditFinding, Example
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.timeframe import Timeframe, format_utc


@dataclass(frozen=True, slots=True, eq=False)
class AuditReport:
    """Result of the audit of one series.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        begin: Start of the audited range, ns UTC.
        end: Its end, exclusive, ns UTC.
        rows: Stored rows in the range, valid or not.
        provenance: What was fetched, and from which exchange.
        findings: One finding per kind, worst first.
        first_day: Seoul day of `begin`.
        days: Candles per Seoul day from `first_day` on, as in `DayCounter.days`.
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
        """Whether there are no findings of severity `error`."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def totals(self) -> tuple[int, int, int]:
        """Numbers of candles that are present, do not exist, and were not fetched."""
        present, no_trade, not_fetched = self.days.sum(axis=0).tolist()
        return present, no_trade, not_fetched


def audit_json(report: AuditReport) -> dict[str, Any]:
    """Return an audit report as JSON: the audited range, its coverage, and the findings."""
    present, no_trade, not_fetched = report.totals
    expected = present + no_trade + not_fetched
    fetched = report.provenance.fetched
    return {
        "symbol": report.symbol,
        "timeframe": report.timeframe.name,
        "start": format_utc(report.begin),
        "end": format_utc(report.end),
        "rows": report.rows,
        "expected": expected,
        "present": present,
        "no_trade": no_trade,
        "not_fetched": not_fetched,
        "known": 1 - not_fetched / expected if expected else 1.0,
        "source": report.provenance.source,
        "fetched": [{"start": format_utc(start), "end": format_utc(end)} for start, end in fetched],
        "sound": report.is_valid,
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "count": finding.occurrences,
                "examples": [_example_json(example) for example in finding.examples],
            }
            for finding in report.findings
        ],
    }


def _example_json(example: Example) -> dict[str, Any]:
    return {
        "time": None if example.time is None else format_utc(example.time),
        "file": example.file,
        "row": example.row,
        "told": example.message,  # prose: ok -- a key of the published JSON
    }
