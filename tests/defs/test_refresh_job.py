"""Collecting candles as a Dagster run, on a real instance, from an exchange of the tests' own."""

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
    """A catalogue without candles."""
    return CandleCatalog(tmp_path)


def refresh(
    instance: dg.DagsterInstance, catalog: CandleCatalog, exchange: FakeExchange, **asked: object
) -> dg.ExecuteInProcessResult:
    """Run the job."""
    launch = refresh_submission(RefreshSpec.model_validate(asked))
    job = build_defs({"candles": catalog, "exchange": lambda _name: exchange}).resolve_job_def(launch.job)
    return job.execute_in_process(launch.config, instance, raise_on_error=False, tags=launch.tags)


def partitions(done: dg.ExecuteInProcessResult, timeframe: str) -> dict[str | None, dict[str, Any]]:
    """Return the metadata of each partition that a run materialized."""
    key = asset_key(parse_timeframe(timeframe))
    events = [event.materialization for event in done.get_asset_materialization_events() if event.asset_key == key]
    return {each.partition: {name: value.value for name, value in each.metadata.items()} for each in events}


def reported(done: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> SeriesReporter:
    """Return the progress that the stored events of a run add up to."""
    series = SeriesReporter()
    for record in instance.get_records_for_run(done.run_id).records:
        series.observe(record.event_log_entry)
    return series


def test_a_failed_market_does_not_stop_the_others(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Its step fails once with the reason; the other markets' candles are stored, and the run fails."""
    exchange = FakeExchange(NOON, faults={"BBB_KRW": NotFound("upbit has no market BBB_KRW; check the symbol")})
    asked = {"symbols": ["AAA_KRW", "BBB_KRW", "CCC_KRW"], "timeframes": ["1h", "1d"]}
    done = refresh(instance, catalog, exchange, **asked, start=date(2024, 3, 1))
    assert not done.success
    message = "failed to collect candles of BBB_KRW: 1h: upbit has no market BBB_KRW; check the symbol"
    assert failure_from_events(done.all_events) == (message, "CandlesNotCollected")
    assert [each.symbol for each in exchange_series(catalog)] == ["AAA_KRW", "AAA_KRW", "CCC_KRW", "CCC_KRW"]
    assert sum(symbol == "BBB_KRW" for symbol, *_ in exchange.asked) == 1
    progress = reported(done, instance)
    assert {(each.symbol, each.timeframe): each.state for each in progress.series} == {
        ("AAA_KRW", "1h"): "collected",
        ("AAA_KRW", "1d"): "collected",
        ("BBB_KRW", "1h"): "failed",
        ("BBB_KRW", "1d"): "failed",
        ("CCC_KRW", "1h"): "collected",
        ("CCC_KRW", "1d"): "collected",
    }
    assert (progress.failures, progress.share) == ((message,), 1.0)


def exchange_series(catalog: CandleCatalog) -> list[Any]:
    """Return the stored series."""
    found, broken = catalog.inventory()
    assert not broken
    return found


def test_partitions_are_months_of_short_candles_and_markets_of_long_ones(
    instance: dg.DagsterInstance, catalog: CandleCatalog
) -> None:
    """Each reports its rows and the share that was fetched; the open candle is in none."""
    exchange = FakeExchange(NOON, quiet=lambda ns: ns % (24 * 3_600 * 10**9) == 0)
    asked = {"symbols": ["AAA_KRW"], "timeframes": ["1h", "1d"]}
    done = refresh(instance, catalog, exchange, **asked, start=date(2024, 2, 28))
    assert done.success
    hours = partitions(done, "1h")
    assert set(hours) == {"2024-02|AAA_KRW", "2024-03|AAA_KRW"}
    # From Seoul's midnight on: 9 hours of the 27th, two days; in March one day and 12 hours. None at midnight of UTC.
    assert [each[ROW_COUNT] for each in hours.values()] == [9 + 2 * 23, 23 + 11]
    assert hours["2024-02|AAA_KRW"]["fetched"] == pytest.approx((2 * 24 + 9) / (29 * 24))
    assert hours["2024-02|AAA_KRW"]["coverage"] == pytest.approx((9 + 2 * 23) / (9 + 2 * 24))
    assert hours["2024-03|AAA_KRW"]["fetched_until"] == NOON / 10**9 - 1800
    assert partitions(done, "1d") == {}  # no day had a trade at midnight
    partition_keys = instance.get_dynamic_partitions("candle_symbols")
    assert "AAA_KRW" in partition_keys


def test_a_refresh_resumes_where_the_last_one_ended(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Nothing is requested twice, and candles missed in between are fetched."""
    exchange = FakeExchange(NOON)
    asked: dict[str, Any] = {"symbols": ["AAA_KRW"], "timeframes": ["1h"]}
    assert refresh(instance, catalog, exchange, **asked, start=date(2024, 3, 1)).success
    exchange.asked.clear()
    exchange.now += 3 * 24 * 3_600 * 10**9  # two ticks of a schedule were missed
    done = refresh(instance, catalog, exchange, **asked)
    assert done.success
    begin = NOON - 1800 * 10**9
    assert exchange.asked == [("AAA_KRW", "1h", begin, begin + 3 * 24 * 3_600 * 10**9)]
    again = refresh(instance, catalog, exchange, **asked)
    assert again.success
    assert len(exchange.asked) == 1
    series = reported(done, instance).series[0]
    assert (series.state, series.done, series.planned, series.added, series.error) == ("collected", 72, 72, 72, None)


def test_checks_have_one_verdict_for_all_markets_of_a_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """A market with missing candles is named with their number, next to one that lacks none."""
    exchange = FakeExchange(NOON)
    asked: dict[str, Any] = {"symbols": ["AAA_KRW", "BBB_KRW"], "timeframes": ["1h"]}
    assert refresh(instance, catalog, exchange, **asked, start=date(2024, 3, 1)).success
    before = {**asked, "symbols": ["AAA_KRW"], "start": date(2024, 2, 1), "end": date(2024, 2, 28)}
    assert refresh(instance, catalog, exchange, **before).success
    both = refresh(instance, catalog, exchange, **asked)
    assert verdicts(instance, both)[SOUND] == (True, None)
    lacks = "AAA_KRW: 24 candles are missing that were never asked for; collect them"
    assert verdicts(instance, both)[COMPLETE] == (False, lacks)


def verdicts(instance: dg.DagsterInstance, done: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str | None]]:
    """Return the results of the checks of hourly candles, as the UI shows them after a run."""
    found = {}
    for name in (SOUND, COMPLETE):
        key = dg.AssetCheckKey(asset_key(parse_timeframe("1h")), name)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.run_id == done.run_id
        evaluation = record.event.dagster_event.asset_check_evaluation_data if record.event else None
        found[name] = (evaluation.passed, evaluation.description)
    return found


def test_invalid_config_is_reported(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """The Launchpad user sees which field is wrong."""
    job = build_defs({"candles": catalog}).resolve_job_def("refresh_candles")
    config = {"ops": {"plan_refresh": {"config": {"timeframes": ["2d"], "end": "2024-01-01"}}}}
    done = job.execute_in_process(config, instance, raise_on_error=False)
    message, kind = failure_from_events(done.all_events)
    assert kind == "InvalidSpec"
    assert "timeframes.0: '2d' is not a timeframe" in message
    assert "end: goes with a start" in message
