"""Audits of stored candles: faults are reported where they occur, and invalid data raises nothing."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.candles.audit.days import NOT_FETCHED, PRESENT
from coin_pipeline.candles.audit.findings import MAX_EXAMPLES
from coin_pipeline.candles.audit.report import AuditReport, audit_json
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, Timeframe, parse_timeframe
from tests.candle_data import drop_rows

Change = Callable[[pd.DataFrame], pd.DataFrame]
YEAR_FILE = "BTC_KRW/1H/2024.parquet"


def stored_hours(catalog: CandleCatalog, hourly: Timeframe, bars: int = 1000) -> OHLCV:
    """Store hourly candles from 2024-03-01, Seoul, and return them."""
    candles = synthetic_candles(1, hourly, date(2024, 3, 1), bars)
    catalog.merge("BTC_KRW", hourly, candles)
    return candles


def rewrite(path: Path, change: Change) -> None:
    """Change a file as another program would, without this project's footer."""
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def severities(report: AuditReport) -> dict[str, tuple[str, int]]:
    """Return severity and count of each kind."""
    return {finding.kind: (finding.severity, finding.occurrences) for finding in report.findings}


def setting(row: int, **values: float) -> Change:
    """Return a change of one row."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, list(values)] = list(values.values())
        return frame

    return change


def repeated(frame: pd.DataFrame) -> pd.DataFrame:
    """Repeat row 10 after itself."""
    return pd.concat([frame[:10], frame[9:10], frame[10:]])


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Swap rows 10 and 11."""
    return pd.concat([frame[:9], frame[10:11], frame[9:10], frame[11:]])


def moved(rows: slice, minutes: int) -> Change:
    """Return a shift of the time of some rows."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[rows, "timestamp"] += pd.Timedelta(minutes=minutes)
        return frame

    return change


def repeated_later(frame: pd.DataFrame) -> pd.DataFrame:
    """Repeat row 10 after row 20."""
    return pd.concat([frame[:20], frame[9:10], frame[20:]])


@pytest.mark.parametrize(
    ("change", "kind", "severity", "count", "row", "message"),
    [
        (repeated_later, "duplicate", "error", 1, 21, "repeats row 10 with the same values"),
        (repeated, "duplicate", "error", 1, 11, "repeats row 10 with the same values"),
        (
            lambda frame: setting(10, close=1e9, high=1e9)(repeated(frame).reset_index(drop=True)),
            *("duplicate", "error", 1, 11, "repeats row 10 with other values"),
        ),
        (swapped, "out_of_order", "error", 1, 11, "comes after 2024-03-01T01:00:00Z"),
        (setting(4, close=np.nan), "not_a_number", "error", 1, 5, "has close nan"),
        (setting(4, volume=np.inf), "not_a_number", "error", 1, 5, "has volume inf"),
        (setting(4, low=0.0), "price_not_positive", "error", 1, 5, "has low 0.0, not above 0"),
        (setting(4, volume=-1.0), "negative_volume", "error", 1, 5, "has volume -1.0, below 0"),
        (setting(4, high=1.7e308), "out_of_range", "error", 1, 5, "has high 1.7e+308, not between 1e-18 and 1e+18"),
        (setting(4, volume=1e25), "out_of_range", "error", 1, 5, "has volume 1e+25, above 1e+24"),
        (setting(4, high=1.0), "impossible_price", "error", 1, 5, "above its high 1.0"),
        (setting(4, volume=0.0), "zero_volume", "info", 1, 5, "has no volume"),
        (moved(slice(4, 4), 7), "off_grid", "warning", 1, 5, "opens 7 min off the grid"),
        (moved(slice(4, 8), 30), "time_zone_slip", "error", 5, 5, "opens 30 min off the grid"),
    ],
)
def test_each_row_fault_is_reported(
    catalog: CandleCatalog,
    hourly: Timeframe,
    change: Change,
    kind: str,
    severity: str,
    count: int,
    row: int,
    message: str,
) -> None:
    """With kind, severity, count, and the first occurrence's file, row and reason."""
    stored_hours(catalog, hourly)
    rewrite(catalog.root / YEAR_FILE, change)
    report = audit_series(catalog, "BTC_KRW", hourly)
    assert severities(report)[kind] == (severity, count)
    assert severities(report).keys() - {"not_fetched"} == {kind}
    (first, *_) = next(finding.examples for finding in report.findings if finding.kind == kind)
    assert (first.file, first.row) == (YEAR_FILE, row)
    assert message in first.message
    assert report.is_valid == (severity != "error")


def test_valid_candles_have_no_findings(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """A complete series over two years is reported as present, day by day."""
    catalog.merge("BTC_KRW", hourly, synthetic_candles(1, hourly, date(2023, 12, 1), 24 * 62))
    report = audit_series(catalog, "BTC_KRW", hourly)
    assert (report.findings, report.is_valid, report.rows, report.totals) == ((), True, 24 * 62, (24 * 62, 0, 0))
    assert (report.first_day, report.days[:, PRESENT].tolist()) == (date(2023, 12, 1), [24] * 62)


def test_nothing_stored_is_not_an_error(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Without days there is nothing to report; given days were not fetched."""
    assert audit_series(catalog, "BTC_KRW", hourly).findings == ()
    report = audit_series(catalog, "BTC_KRW", hourly, date(2024, 1, 1), date(2024, 1, 2))
    assert (severities(report), report.totals) == ({"not_fetched": ("warning", 48)}, (0, 0, 48))


def test_gaps_are_classified(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Missing candles were not fetched or, within fetched intervals, had no trades."""
    candles = drop_rows(synthetic_candles(1, hourly, date(2024, 3, 1), 72), [*range(5, 8), *range(40, 50)])
    start = int(candles.time[0])
    catalog.merge("BTC_KRW", hourly, candles, fetched=[(start, start + 45 * HOUR_NS)], source="upbit")
    report = audit_series(catalog, "BTC_KRW", hourly, date(2024, 2, 29), date(2024, 3, 4))
    assert severities(report) == {"not_fetched": ("warning", 24 + 5 + 24), "no_trade": ("info", 3 + 5)}
    by_kind = {finding.kind: [example.time for example in finding.examples] for finding in report.findings}
    assert by_kind["not_fetched"] == [start - DAY_NS, start + 45 * HOUR_NS, start + 72 * HOUR_NS]
    assert by_kind["no_trade"] == [start + 5 * HOUR_NS, start + 40 * HOUR_NS]
    assert report.days.tolist() == [[0, 0, 24], [21, 3, 0], [16, 5, 3], [22, 0, 2], [0, 0, 24]]
    assert (report.provenance.source, report.is_valid) == ("upbit", True)


def test_days_limit_the_audit(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Faults outside the days are not reported, and rows keep their numbers."""
    stored_hours(catalog, hourly)
    rewrite(catalog.root / YEAR_FILE, lambda frame: setting(30, volume=-1.0)(setting(4, volume=-1.0)(frame)))
    report = audit_series(catalog, "BTC_KRW", hourly, date(2024, 3, 2), date(2024, 3, 2))
    assert (report.rows, report.totals) == (24, (24, 0, 0))
    (finding,) = report.findings
    assert (finding.occurrences, finding.examples[0].row) == (1, 31)


def test_a_changed_file_is_detected_by_its_digest(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """The values differ from those that the footer was written with."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- to write a file under an old footer

    stored_hours(catalog, hourly)
    path = catalog.root / YEAR_FILE
    table = pq.read_table(path)
    other = table.set_column(5, "volume", [table["volume"].to_numpy() + 1.0])
    pq.write_table(other.replace_schema_metadata(table.schema.metadata), path)
    assert severities(audit_series(catalog, "BTC_KRW", hourly)) == {"checksum": ("error", 1)}


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1" + bytes(100) + b"PAR1"])
def test_an_unreadable_file_is_a_finding(catalog: CandleCatalog, hourly: Timeframe, content: bytes) -> None:
    """A damaged year does not hide the others; its candles count as not fetched."""
    catalog.merge("BTC_KRW", hourly, synthetic_candles(1, hourly, date(2023, 12, 1), 24 * 62))
    (catalog.root / "BTC_KRW/1H/2023.parquet").write_bytes(content)
    report = audit_series(catalog, "BTC_KRW", hourly, date(2023, 12, 1), date(2024, 1, 31))
    assert severities(report) == {"unreadable": ("error", 1), "not_fetched": ("warning", 24 * 31 + 9)}
    assert "cannot be read" in report.findings[0].examples[0].message


def test_a_series_stored_twice_is_a_finding(catalog: CandleCatalog, hourly: Timeframe, daily: Timeframe) -> None:
    """Neither copy is audited; other timeframes are."""
    stored_hours(catalog, hourly)
    for folder in ("BTC_KRW/1D", "KRW-BTC/1D"):
        CandleCatalog(catalog.root / folder).merge("BTC_KRW", hourly, synthetic_candles(1, hourly, date(2024, 3, 1), 5))
        (catalog.root / folder / "BTC_KRW/1H/2024.parquet").rename(catalog.root / folder / "2024.parquet")
    report = audit_series(catalog, "BTC_KRW", daily)
    assert severities(report) == {"unreadable": ("error", 1)}
    assert "the same candles are stored in KRW-BTC/1D too" in report.findings[0].examples[0].message
    assert audit_series(catalog, "BTC_KRW", hourly).is_valid


def test_a_row_without_a_time_is_a_finding(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """It makes its file unreadable, and is named."""
    stored_hours(catalog, hourly)
    rewrite(catalog.root / YEAR_FILE, lambda frame: frame.assign(timestamp=frame["timestamp"].mask(frame.index == 3)))
    report = audit_series(catalog, "BTC_KRW", hourly)
    assert severities(report)["unreadable"] == ("error", 1)
    assert "row 4 has no time" in report.findings[0].examples[0].message


def test_a_last_candle_stored_before_its_close_is_a_finding(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """A file older than the close of its newest candle holds an open candle."""
    last = int(stored_hours(catalog, hourly).time[-1])
    path = catalog.root / YEAR_FILE
    os.utime(path, ns=(last + HOUR_NS, last + HOUR_NS))
    assert severities(audit_series(catalog, "BTC_KRW", hourly)) == {}
    os.utime(path, ns=(last + HOUR_NS // 2, last + HOUR_NS // 2))
    assert severities(audit_series(catalog, "BTC_KRW", hourly)) == {"unfinished": ("warning", 1)}


def test_a_file_on_another_clock_is_a_slip(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Daily candles that open at midnight in Seoul in one year and at nine in the next."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 500))
    rewrite(catalog.root / "BTC_KRW/1D/2024.parquet", moved(slice(None), -540))
    report = audit_series(catalog, "BTC_KRW", daily)
    slips = len(pd.read_parquet(catalog.root / "BTC_KRW/1D/2024.parquet"))
    assert severities(report)["time_zone_slip"] == ("error", slips)


def test_examples_are_limited(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """A thousand faults are counted, three are shown."""
    stored_hours(catalog, hourly)
    rewrite(catalog.root / YEAR_FILE, lambda frame: frame.assign(volume=0.0))
    (finding,) = audit_series(catalog, "BTC_KRW", hourly).findings
    assert (finding.occurrences, len(finding.examples)) == (1000, MAX_EXAMPLES)


@pytest.mark.parametrize(("zone", "valid"), [("UTC", True), ("Asia/Seoul", False)])
def test_real_hourly_candles_on_another_clock_are_detected(
    catalog: CandleCatalog, hourly: Timeframe, market_data: Path, zone: str, *, valid: bool
) -> None:
    """Real minutes, hours and days agree unless the hours were imported with an offset of nine hours.

    Four hours lack a minute in either place: two cannot be compared, and two are not explained by the shift.
    """
    minutes, days = "upbit_KRW-BTC_1m.csv", "upbit_KRW-BTC_1d_2025.parquet"
    catalog.merge("BTC_KRW", parse_timeframe("1m"), read_candle_file(market_data / minutes, tz="UTC").candles)
    catalog.merge("BTC_KRW", parse_timeframe("1d"), read_candle_file(market_data / days, tz="Asia/Seoul").candles)
    catalog.merge("BTC_KRW", hourly, read_candle_file(market_data / "upbit_KRW-BTC_1h.csv", tz=zone).candles)
    counts = severities(audit_series(catalog, "BTC_KRW", hourly))
    missing = {"not_fetched": ("warning", 52)}
    slipped = {"time_zone_slip": ("error", 24 * 29 - 9 - 4), "inconsistent": ("error", 2)}
    assert counts == (missing if valid else missing | slipped)
    assert audit_series(catalog, "BTC_KRW", parse_timeframe("1d")).is_valid == valid


def test_the_json_form_of_an_audit(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Instants are text, counts add up, and the worst finding comes first."""
    stored_hours(catalog, hourly)
    rewrite(catalog.root / YEAR_FILE, lambda frame: setting(4, volume=-1.0)(frame).drop(index=[7]))
    document = audit_json(audit_series(catalog, "BTC_KRW", hourly))
    assert (document["expected"], document["present"], document["not_fetched"], document["known"]) == (
        1000,
        999,
        1,
        0.999,
    )
    assert (document["start"], document["sound"], document["source"]) == ("2024-02-29T15:00:00Z", False, None)
    assert [finding["kind"] for finding in document["findings"]] == ["negative_volume", "not_fetched"]
    assert document["findings"][0]["examples"] == [
        {
            "time": "2024-02-29T19:00:00Z",
            "file": YEAR_FILE,
            "row": 5,
            "told": "has volume -1.0, below 0",  # prose: ok -- a key of the published JSON
        }
    ]
    assert audit_series(catalog, "BTC_KRW", hourly).days[:, NOT_FETCHED].sum() == 1
