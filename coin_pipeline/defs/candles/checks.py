"""Asset checks: whether the candles that were collected are sound, and whether none is left to fetch between them."""

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
    SOUND: "No candle is as no market makes one: out of order, twice, of impossible prices, at odds with shorter ones.",
    COMPLETE: "Between the first candle and the last none is left that the exchange was not asked for.",
}


class CheckVerdict(NamedTuple):
    """What a check says of one market."""

    passed: bool
    message: str


def specs(timeframe: Timeframe) -> list[dg.AssetCheckSpec]:
    """Return the checks of the candles of a timeframe."""
    return [
        dg.AssetCheckSpec(name, asset=asset_key(timeframe), description=says) for name, says in DESCRIPTIONS.items()
    ]


class CheckVerdicts:
    """What the checks of one run have said so far: a run evaluates each check of an asset once, for all its markets."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, CheckVerdict]] = {}

    def of_collected(self, catalog: CandleCatalog, done: CollectReport) -> Iterator[dg.AssetCheckEvaluation]:
        """Check what was collected, with the month before its end, and yield each check with that."""
        begin = min(done.begin, done.end - MONTH_NS)
        fetched = catalog.provenance(done.symbol, done.timeframe).fetched
        start = seoul_day(utc(begin)) if fetched and fetched[0][0] < begin else None  # else what is before is unknown
        yield from self.of(audit_series(catalog, done.symbol, done.timeframe, start))

    def of(self, found: AuditReport) -> Iterator[dg.AssetCheckEvaluation]:
        """Take one more series into account, and yield each check with that."""
        for name, verdict in _verdicts(found).items():
            said = self._said.setdefault((found.timeframe.name, name), {})
            said[found.symbol] = verdict
            yield _evaluation(found.timeframe, name, said)


def evaluate(catalog: CandleCatalog, timeframe: Timeframe) -> list[dg.AssetCheckEvaluation]:
    """Return each check of everything that is stored of a timeframe."""
    verdicts = CheckVerdicts()
    last: dict[str, dg.AssetCheckEvaluation] = {}
    for symbol in catalog.symbols():
        found = audit_series(catalog, symbol, timeframe)
        if found.rows or found.findings:
            last |= {each.check_name: each for each in verdicts.of(found)}
    return [*last.values()]


def _verdicts(found: AuditReport) -> dict[str, CheckVerdict]:
    wrong = [each for each in found.findings if each.severity == "error"]
    first = [f"{each.kind} {each.occurrences:,} times, {each.examples[0].message} say" for each in wrong]
    span = f"{found.rows:,} candles from {format_utc(found.begin)} to {format_utc(found.end)}"
    missing = found.totals[2]
    lacks = f"{missing:,} candles are missing that were never asked for; collect them" if missing else "none is missing"
    return {
        SOUND: CheckVerdict(passed=found.is_valid, message="; ".join(first) or span),
        COMPLETE: CheckVerdict(passed=not missing, message=lacks),
    }


def _evaluation(timeframe: Timeframe, name: str, said: dict[str, CheckVerdict]) -> dg.AssetCheckEvaluation:
    failed = {symbol: verdict for symbol, verdict in said.items() if not verdict.passed}
    records = [dg.TableRecord({"market": symbol, "says": verdict.message}) for symbol, verdict in said.items()]
    schema = dg.TableSchema([dg.TableColumn(column) for column in ("market", "says")])
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(timeframe),
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if name == SOUND else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{symbol}: {verdict.message}" for symbol, verdict in failed.items()) or None,
        metadata={"markets": MetadataValue.table(records, schema)},
    )
