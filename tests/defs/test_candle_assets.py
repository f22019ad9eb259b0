"""Candles as assets: partitions that are collected from the page of an asset, checks, the daily schedule."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import TIMEFRAMES, parse_timeframe
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.candles.checks import COMPLETE, SOUND
from coin_pipeline.defs.candles.partitions import (
    END_OF_TIME_NS,
    FIRST_MONTH,
    ROW_COUNT,
    asset_key,
    intervals_by_symbol,
    month_interval,
    months_touched,
    partitions_of,
)
from coin_pipeline.defs.candles.schedules import daily_candles
from coin_pipeline.defs.candles.sensors import markets
from coin_pipeline.errors import NotFound
from coin_pipeline.orchestration.failures import failure_from_events
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, EXCHANGE_TAG, SERIES_TAG
from tests.dagster_records import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from tests.exchanges import FakeExchange

MARCH = int(datetime(2024, 3, 20, tzinfo=UTC).timestamp()) * 10**9
HOURLY = asset_key(parse_timeframe("1h"))
HOUR = parse_timeframe("1h").ns


def materialize(
    instance: dg.DagsterInstance, catalog: CandleCatalog, exchange: FakeExchange, timeframe: str, first: str, last: str
) -> dg.ExecuteInProcessResult:
    """Collect partitions of an asset as a backfill from the UI does, which is one run for a range of them."""
    resources = {"candles": catalog, "exchange": lambda _name: exchange}
    job = build_defs(resources).get_repository_def().get_implicit_global_asset_job_def()
    one = job.get_subset(asset_selection={asset_key(parse_timeframe(timeframe))}, asset_check_selection=set())
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    return one.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def rows(done: dg.ExecuteInProcessResult) -> dict[str | None, object]:
    """Return how many candles each partition has that a run has materialized."""
    told = [event.materialization for event in done.get_asset_materialization_events()]
    return {each.partition: each.metadata[ROW_COUNT].value for each in told}


@pytest.fixture
def catalog(tmp_path: Path, instance: dg.DagsterInstance) -> CandleCatalog:
    """A catalogue without candles; two markets are partitions."""
    instance.add_dynamic_partitions("candle_symbols", ["AAA_KRW", "BBB_KRW"])
    return CandleCatalog(tmp_path)


def test_months_of_a_market_are_collected_in_one_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Those that were asked for and no others; of the current month what is finished."""
    exchange = FakeExchange(MARCH)
    done = materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-03|AAA_KRW")
    assert done.success
    assert rows(done) == {"2024-02|AAA_KRW": 29 * 24, "2024-03|AAA_KRW": 19 * 24}
    first = month_interval(months_touched((MARCH, MARCH + 1))[0])[0] - 29 * 24 * 3_600 * 10**9
    assert catalog.provenance("AAA_KRW", parse_timeframe("1h")).fetched == ((first, MARCH),)
    assert len(done.get_asset_materialization_events()) == 2


def test_a_market_that_fails_leaves_the_partitions_of_others(
    instance: dg.DagsterInstance, catalog: CandleCatalog
) -> None:
    """The run has failed with a sentence; what is stored is told of."""
    exchange = FakeExchange(MARCH, faults={"AAA_KRW": NotFound("upbit has no market AAA_KRW")})
    done = materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-02|BBB_KRW")
    assert (
        failure_from_events(done.all_events)[0]
        == "failed to collect candles of 1h: AAA_KRW: upbit has no market AAA_KRW"
    )
    assert rows(done) == {"2024-02|BBB_KRW": 29 * 24}


def test_long_candles_are_collected_for_a_market_as_a_whole(
    instance: dg.DagsterInstance, catalog: CandleCatalog
) -> None:
    """From the first day of which Upbit has any."""
    done = materialize(instance, catalog, FakeExchange(MARCH, limit=10_000), "1w", "AAA_KRW", "AAA_KRW")
    assert done.success
    assert rows(done) == {"AAA_KRW": 341}


def test_every_timeframe_is_an_asset_with_two_checks_and_a_freshness(instance: dg.DagsterInstance) -> None:
    """One partition a month of what is 1 h or shorter; a new market is a partition without a restart."""
    instance.add_dynamic_partitions("candle_symbols", ["NEW_KRW"])
    graph = build_defs().resolve_asset_graph()
    for timeframe in TIMEFRAMES.values():
        node = graph.get(asset_key(timeframe))
        assert {key.name for key in node.check_keys} == {SOUND, COMPLETE}
        assert node.freshness_policy is not None
        keys = partitions_of(timeframe).get_partition_keys(dynamic_partitions_store=instance)
        assert ("NEW_KRW" if timeframe.ns > HOUR else "2017-09|NEW_KRW") in keys
    day = parse_timeframe("1d")
    assert intervals_by_symbol(["NEW_KRW"], day) == {"NEW_KRW": ((month_interval(FIRST_MONTH)[0], END_OF_TIME_NS),)}


def test_checks_can_be_run_by_themselves(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """They look at all that is stored, what was imported too."""
    exchange = FakeExchange(MARCH)
    assert materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-02|AAA_KRW").success
    assert materialize(instance, catalog, exchange, "1h", "2023-12|AAA_KRW", "2023-12|AAA_KRW").success
    job = build_defs({"candles": catalog}).get_repository_def().get_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(HOURLY, name) for name in (SOUND, COMPLETE)}
    done = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=instance)
    told = {each.check_name: (each.passed, each.description) for each in done.get_asset_check_evaluations()}
    lacks = "AAA_KRW: 744 candles are missing that were never asked for; collect them"
    assert told == {SOUND: (True, None), COMPLETE: (False, lacks)}


def test_a_broken_series_fails_its_check_and_not_the_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """The sentence of the catalogue names file and fault."""
    folder = catalog.root / "BAD_KRW" / "1H"
    folder.mkdir(parents=True)
    (folder / "2024.parquet").write_bytes(b"no candles")
    job = build_defs({"candles": catalog}).get_repository_def().get_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(HOURLY, SOUND), dg.AssetCheckKey(HOURLY, COMPLETE)}
    done = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=instance)
    told = {each.check_name: each.description for each in done.get_asset_check_evaluations()}
    assert "BAD_KRW/1H/2024.parquet" in str(told[SOUND])


def test_the_schedule_collects_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the time in Seoul that they say, and only if it is switched on."""
    assert daily_candles().default_status == dg.DefaultScheduleStatus.STOPPED
    monkeypatch.setenv("ENABLE_SCHEDULER", "true")
    monkeypatch.setenv("SCHEDULER_HOUR", "7")
    monkeypatch.setenv("SCHEDULER_MINUTE", "30")
    monkeypatch.setenv("SCHEDULER_SYMBOLS", "KRW-BTC, ETH_KRW,BTC_KRW")
    monkeypatch.setenv("SCHEDULER_TIMEFRAMES", "1D,1m")
    schedule = daily_candles()
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 7 * * *", "Asia/Seoul")
    (run,) = schedule.evaluate_tick(dg.build_schedule_context()).run_requests or []
    config: Any = run.run_config
    asked = config["ops"]["plan_refresh"]["config"]
    assert (asked["symbols"], asked["timeframes"]) == (["BTC_KRW", "ETH_KRW"], ["1d", "1m"])
    assert asked["start"] is asked["end"] is None
    assert (run.tags[EXCHANGE_TAG], run.tags[SERIES_TAG]) == ("upbit", "4")
    job = build_defs().resolve_job_def("refresh_candles")
    assert (job.tags[CLASS_TAG], job.tags[EXCHANGE_TAG]) == (BULK, "upbit")


def test_markets_become_partitions(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Those of the settings, and those of which candles are stored; none is lost."""
    (catalog.root / "KRW-OLD" / "1D").mkdir(parents=True)
    for _ in range(2):
        with dg.build_sensor_context(instance=instance, resources={"candles": catalog}) as context:
            markets(context)
    known = instance.get_dynamic_partitions("candle_symbols")
    assert {"BTC_KRW", "NEAR_KRW", "OLD_KRW", "AAA_KRW"} <= set(known)
    assert len(known) == len(set(known))
