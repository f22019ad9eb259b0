"""The refresh job on a real instance, with a fake exchange."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.candles.checks import COMPLETE, SOUND
from coin_pipeline.defs.candles.partitions import ROW_COUNT, asset_key
from coin_pipeline.defs.candles.progress import SeriesReporter
from coin_pipeline.defs.run_requests import refresh_submission
from coin_pipeline.errors import NotFound
from coin_pipeline.orchestration.failures import failure_from_events
from tests.exchanges import FakeExchange

NOON = int(datetime(2024, 3, 2, 12, 30, tzinfo=UTC).timestamp()) * 10**9
Kind = dg.DagsterEventType


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """An empty catalog."""
    return CandleCatalog(tmp_path)


def refresh(
    instance: dg.DagsterInstance, catalog: CandleCatalog, exchange: FakeExchange, **fields: object
) -> dg.ExecuteInProcessResult:
    """Run the job."""
    submission = refresh_submission(RefreshSpec.model_validate(fields))
    job = build_defs({"candles": catalog, "exchange": lambda _name: exchange}).resolve_job_def(submission.job)
    return job.execute_in_process(submission.config, instance, raise_on_error=False, tags=submission.tags)


def partitions(result: dg.ExecuteInProcessResult, timeframe: str) -> dict[str | None, dict[str, Any]]:
    """Return the metadata of each partition that a run materialized."""
    key = asset_key(parse_timeframe(timeframe))
    events = [event.materialization for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {event.partition: {name: value.value for name, value in event.metadata.items()} for event in events}


def reported(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> SeriesReporter:
    """Return the progress computed from a run's stored events."""
    series = SeriesReporter()
    for record in instance.get_records_for_run(result.run_id).records:
        series.observe(record.event_log_entry)
    return series


def test_a_failed_market_does_not_stop_the_others(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Its step fails with one message; the others' candles are stored, and the run fails."""
    exchange = FakeExchange(NOON, faults={"BBB_KRW": NotFound("upbit has no market BBB_KRW; check the symbol")})
    fields = {"symbols": ["AAA_KRW", "BBB_KRW", "CCC_KRW"], "timeframes": ["1h", "1d"]}
    result = refresh(instance, catalog, exchange, **fields, start=date(2024, 3, 1))
    assert not result.success
    sentence = "failed to collect candles of BBB_KRW: 1h: upbit has no market BBB_KRW; check the symbol"
    assert failure_from_events(result.all_events) == (sentence, "CandlesNotCollected")
    assert [series.symbol for series in stored_series(catalog)] == ["AAA_KRW", "AAA_KRW", "CCC_KRW", "CCC_KRW"]
    assert sum(symbol == "BBB_KRW" for symbol, *_ in exchange.asked) == 1
    reporter = reported(result, instance)
    assert {(series.symbol, series.timeframe): series.state for series in reporter.series} == {
        ("AAA_KRW", "1h"): "collected",
        ("AAA_KRW", "1d"): "collected",
        ("BBB_KRW", "1h"): "failed",
        ("BBB_KRW", "1d"): "failed",
        ("CCC_KRW", "1h"): "collected",
        ("CCC_KRW", "1d"): "collected",
    }
    assert (reporter.failures, reporter.share) == ((sentence,), 1.0)


def stored_series(catalog: CandleCatalog) -> list[Any]:
    """Return the stored series."""
    series, broken = catalog.inventory()
    assert not broken
    return series


def test_partitions_are_months_or_markets(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Each has its rows and the fetched fraction; the open candle is in none."""
    exchange = FakeExchange(NOON, quiet=lambda ns: ns % (24 * 3_600 * 10**9) == 0)
    fields = {"symbols": ["AAA_KRW"], "timeframes": ["1h", "1d"]}
    result = refresh(instance, catalog, exchange, **fields, start=date(2024, 2, 28))
    assert result.success
    hours = partitions(result, "1h")
    assert set(hours) == {"2024-02|AAA_KRW", "2024-03|AAA_KRW"}
    # From midnight in Seoul: 9 hours of the 27th and two days; in March one day and 12 hours. None at midnight UTC.
    assert [month[ROW_COUNT] for month in hours.values()] == [9 + 2 * 23, 23 + 11]
    assert hours["2024-02|AAA_KRW"]["fetched"] == pytest.approx((2 * 24 + 9) / (29 * 24))
    assert hours["2024-02|AAA_KRW"]["coverage"] == pytest.approx((9 + 2 * 23) / (9 + 2 * 24))
    assert hours["2024-03|AAA_KRW"]["fetched_until"] == NOON / 10**9 - 1800
    assert partitions(result, "1d") == {}  # no day had a trade at midnight
    markets = instance.get_dynamic_partitions("candle_symbols")
    assert "AAA_KRW" in markets


def test_a_refresh_resumes_where_the_last_one_ended(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Nothing is requested twice, and missed ticks are caught up."""
    exchange = FakeExchange(NOON)
    fields: dict[str, Any] = {"symbols": ["AAA_KRW"], "timeframes": ["1h"]}
    assert refresh(instance, catalog, exchange, **fields, start=date(2024, 3, 1)).success
    exchange.asked.clear()
    exchange.now += 3 * 24 * 3_600 * 10**9  # two ticks of a schedule were missed
    result = refresh(instance, catalog, exchange, **fields)
    assert result.success
    begin = NOON - 1800 * 10**9
    assert exchange.asked == [("AAA_KRW", "1h", begin, begin + 3 * 24 * 3_600 * 10**9)]
    again = refresh(instance, catalog, exchange, **fields)
    assert again.success
    assert len(exchange.asked) == 1
    series = reported(result, instance).series[0]
    assert (series.state, series.done, series.planned, series.added, series.error) == ("collected", 72, 72, 72, None)


def test_checks_have_one_verdict_for_all_markets_of_a_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """A market with missing candles is named with their number, next to a complete one."""
    exchange = FakeExchange(NOON)
    fields: dict[str, Any] = {"symbols": ["AAA_KRW", "BBB_KRW"], "timeframes": ["1h"]}
    assert refresh(instance, catalog, exchange, **fields, start=date(2024, 3, 1)).success
    before = {**fields, "symbols": ["AAA_KRW"], "start": date(2024, 2, 1), "end": date(2024, 2, 28)}
    assert refresh(instance, catalog, exchange, **before).success
    both = refresh(instance, catalog, exchange, **fields)
    assert verdicts(instance, both)[SOUND] == (True, None)
    message = "AAA_KRW: 24 missing candles were never fetched; collect them"
    assert verdicts(instance, both)[COMPLETE] == (False, message)


def verdicts(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str | None]]:
    """Return the check results of hourly candles after a run, as the UI shows them."""
    verdicts = {}
    for name in (SOUND, COMPLETE):
        key = dg.AssetCheckKey(asset_key(parse_timeframe("1h")), name)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.run_id == result.run_id
        evaluation = record.event.dagster_event.asset_check_evaluation_data if record.event else None
        verdicts[name] = (evaluation.passed, evaluation.description)
    return verdicts


def test_an_invalid_config_is_reported(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """The message in the Launchpad names each invalid field."""
    job = build_defs({"candles": catalog}).resolve_job_def("refresh_candles")
    config = {"ops": {"plan_refresh": {"config": {"timeframes": ["2d"], "end": "2024-01-01"}}}}
    result = job.execute_in_process(config, instance, raise_on_error=False)
    message, kind = failure_from_events(result.all_events)
    assert kind == "InvalidSpec"
    assert "timeframes.0: '2d' is not a timeframe" in message
    assert "end: requires a start" in message


def test_markets_with_dots_and_digits_are_collected(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """A dot is not allowed in the key of a step, but in a partition and in a folder."""
    markets = ["BTC.D_KRW", "1INCH_KRW"]
    result = refresh(instance, catalog, FakeExchange(NOON), symbols=markets, timeframes=["1d"], start=date(2024, 3, 1))
    assert result.success
    assert sorted(partitions(result, "1d")) == sorted(markets)
    assert [series.symbol for series in reported(result, instance).series] == markets
    assert catalog.symbols() == sorted(markets)
