"""Asset checks of candles: whether stored candles are valid, and whether all candles between them were fetched."""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.audit.report import AuditReport
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CollectReport
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, format_utc, seoul_day, utc
from coin_pipeline.defs.candles.partitions import asset_key

MONTH_NS = 31 * DAY_NS
SOUND, COMPLETE = "sound", "complete"
DESCRIPTIONS = {
    SOUND: "Candles are ordered, unique and valid, and agree with those of shorter timeframes.",
    COMPLETE: "All candles between the first and the last were fetched from the exchange.",
}


class CheckVerdict(NamedTuple):
    """Result of a check for one market."""

    passed: bool
    message: str


def specs(timeframe: Timeframe) -> list[dg.AssetCheckSpec]:
    """Return the checks of a timeframe's asset."""
    return [
        dg.AssetCheckSpec(name, asset=asset_key(timeframe), description=description)
        for name, description in DESCRIPTIONS.items()
    ]


class CheckVerdicts:
    """Verdicts of one run so far: each evaluation of a check covers all markets of the run."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[str, str], dict[str, CheckVerdict]] = {}

    def of_collected(self, catalog: CandleCatalog, report: CollectReport) -> Iterator[dg.AssetCheckEvaluation]:
        """Audit the collected range and the month before its end, and yield the updated checks."""
        begin = min(report.begin, report.end - MONTH_NS)
        fetched = catalog.provenance(report.symbol, report.timeframe).fetched
        # Without fetched candles before the range, audit the whole series.
        start = seoul_day(utc(begin)) if fetched and fetched[0][0] < begin else None
        yield from self.of(audit_series(catalog, report.symbol, report.timeframe, start))

    def of(self, report: AuditReport) -> Iterator[dg.AssetCheckEvaluation]:
        """Add the verdicts of one series, and yield the updated checks."""
        for name, verdict in _verdicts(report).items():
            by_symbol = self._verdicts.setdefault((report.timeframe.name, name), {})
            by_symbol[report.symbol] = verdict
            yield _evaluation(report.timeframe, name, by_symbol)


def evaluate(catalog: CandleCatalog, timeframe: Timeframe) -> list[dg.AssetCheckEvaluation]:
    """Return each check over all stored series of a timeframe."""
    verdicts = CheckVerdicts()
    latest: dict[str, dg.AssetCheckEvaluation] = {}
    for symbol in catalog.symbols():
        report = audit_series(catalog, symbol, timeframe)
        if report.rows or report.findings:
            latest |= {evaluation.check_name: evaluation for evaluation in verdicts.of(report)}
    return [*latest.values()]


def _verdicts(report: AuditReport) -> dict[str, CheckVerdict]:
    errors = [finding for finding in report.findings if finding.severity == "error"]
    messages = [f"{error.kind}: {error.occurrences:,}, the first: {error.examples[0].message}" for error in errors]
    span = f"{report.rows:,} candles from {format_utc(report.begin)} to {format_utc(report.end)}"
    missing = report.totals[2]
    gaps = f"{missing:,} missing candles were never fetched; collect them" if missing else "none is missing"
    return {
        SOUND: CheckVerdict(passed=report.is_valid, message="; ".join(messages) or span),
        COMPLETE: CheckVerdict(passed=not missing, message=gaps),
    }


def _evaluation(timeframe: Timeframe, name: str, by_symbol: dict[str, CheckVerdict]) -> dg.AssetCheckEvaluation:
    failed = {symbol: verdict for symbol, verdict in by_symbol.items() if not verdict.passed}
    records = [dg.TableRecord({"market": symbol, "result": verdict.message}) for symbol, verdict in by_symbol.items()]
    schema = dg.TableSchema([dg.TableColumn(column) for column in ("market", "result")])
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(timeframe),
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if name == SOUND else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{symbol}: {verdict.message}" for symbol, verdict in failed.items()) or None,
        metadata={"markets": MetadataValue.table(records, schema)},
    )
