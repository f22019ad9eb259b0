"""Candle assets: materialized partitions, checks, the daily schedule and the markets sensor."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, TIMEFRAMES, parse_timeframe
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
from coin_pipeline.defs.candles.sensors import MAX_FILES, imported_candles, markets
from coin_pipeline.errors import NotFound
from coin_pipeline.orchestration.failures import failure_from_events
from coin_pipeline.orchestration.run_tags import (
    BULK,
    CLASS_TAG,
    EXCHANGE_TAG,
    SERIES_TAG,
    SYMBOLS_TAG,
    TIMEFRAME_TAG,
)
from tests.dagster_records import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from tests.exchanges import FakeExchange

MARCH = int(datetime(2024, 3, 20, tzinfo=UTC).timestamp()) * 10**9
HOURLY = asset_key(parse_timeframe("1h"))
HOUR = parse_timeframe("1h").ns


def materialize(
    instance: dg.DagsterInstance, catalog: CandleCatalog, exchange: FakeExchange, timeframe: str, first: str, last: str
) -> dg.ExecuteInProcessResult:
    """Collect partitions of an asset like a backfill from the UI, which is one run for a range of them."""
    resources = {"candles": catalog, "exchange": lambda _name: exchange}
    job = build_defs(resources).get_repository_def().get_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={asset_key(parse_timeframe(timeframe))}, asset_check_selection=set())
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    return subset.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def rows(result: dg.ExecuteInProcessResult) -> dict[str | None, object]:
    """Return the row count of each materialized partition."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.partition: event.metadata[ROW_COUNT].value for event in events}


@pytest.fixture
def catalog(tmp_path: Path, instance: dg.DagsterInstance) -> CandleCatalog:
    """An empty catalog; two markets are partitions."""
    instance.add_dynamic_partitions("candle_symbols", ["AAA_KRW", "BBB_KRW"])
    return CandleCatalog(tmp_path)


def test_months_of_a_market_are_collected_in_one_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Only the selected months are collected, and only closed candles of the current one."""
    exchange = FakeExchange(MARCH)
    result = materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-03|AAA_KRW")
    assert result.success
    assert rows(result) == {"2024-02|AAA_KRW": 29 * 24, "2024-03|AAA_KRW": 19 * 24}
    first = month_interval(months_touched((MARCH, MARCH + 1))[0])[0] - 29 * 24 * 3_600 * 10**9
    assert catalog.provenance("AAA_KRW", parse_timeframe("1h")).fetched == ((first, MARCH),)
    assert len(result.get_asset_materialization_events()) == 2


def test_a_failed_market_keeps_the_partitions_of_others(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """The run fails with a message, and stored partitions are reported."""
    exchange = FakeExchange(MARCH, faults={"AAA_KRW": NotFound("upbit has no market AAA_KRW")})
    result = materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-02|BBB_KRW")
    assert (
        failure_from_events(result.all_events)[0]
        == "failed to collect candles of 1h: AAA_KRW: upbit has no market AAA_KRW"
    )
    assert rows(result) == {"2024-02|BBB_KRW": 29 * 24}


def test_long_candles_are_collected_per_market(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """From the first day with candles on Upbit."""
    result = materialize(instance, catalog, FakeExchange(MARCH, limit=10_000), "1w", "AAA_KRW", "AAA_KRW")
    assert result.success
    assert rows(result) == {"AAA_KRW": 341}


def test_every_timeframe_is_an_asset_with_checks_and_freshness(instance: dg.DagsterInstance) -> None:
    """Candles up to 1h have monthly partitions; a new market is a partition without a restart."""
    instance.add_dynamic_partitions("candle_symbols", ["NEW_KRW"])
    graph = build_defs().resolve_asset_graph()
    for timeframe in (timeframe for timeframe in TIMEFRAMES.values() if timeframe.base is None):
        node = graph.get(asset_key(timeframe))
        assert {key.name for key in node.check_keys} == {SOUND, COMPLETE}
        assert node.freshness_policy is not None
        keys = partitions_of(timeframe).get_partition_keys(dynamic_partitions_store=instance)
        assert ("NEW_KRW" if timeframe.ns > HOUR else "2017-09|NEW_KRW") in keys
    day = parse_timeframe("1d")
    assert intervals_by_symbol(["NEW_KRW"], day) == {"NEW_KRW": ((month_interval(FIRST_MONTH)[0], END_OF_TIME_NS),)}


def test_checks_can_be_run_on_their_own(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """They cover all stored candles, imported ones too."""
    exchange = FakeExchange(MARCH)
    assert materialize(instance, catalog, exchange, "1h", "2024-02|AAA_KRW", "2024-02|AAA_KRW").success
    assert materialize(instance, catalog, exchange, "1h", "2023-12|AAA_KRW", "2023-12|AAA_KRW").success
    job = build_defs({"candles": catalog}).get_repository_def().get_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(HOURLY, name) for name in (SOUND, COMPLETE)}
    result = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=instance)
    evaluations = {
        check.check_name: (check.passed, check.description) for check in result.get_asset_check_evaluations()
    }
    message = "AAA_KRW: 744 missing candles were never fetched; collect them"
    assert evaluations == {SOUND: (True, None), COMPLETE: (False, message)}


def test_a_damaged_series_fails_its_check_but_not_the_run(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """The message contains file and fault."""
    folder = catalog.root / "BAD_KRW" / "1H"
    folder.mkdir(parents=True)
    (folder / "2024.parquet").write_bytes(b"no candles")
    job = build_defs({"candles": catalog}).get_repository_def().get_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(HOURLY, SOUND), dg.AssetCheckKey(HOURLY, COMPLETE)}
    result = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=instance)
    descriptions = {check.check_name: check.description for check in result.get_asset_check_evaluations()}
    assert "BAD_KRW/1H/2024.parquet" in str(descriptions[SOUND])


def test_the_schedule_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in Seoul, markets and timeframes, and whether it is running."""
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
    fields = config["ops"]["plan_refresh"]["config"]
    assert (fields["symbols"], fields["timeframes"]) == (["BTC_KRW", "ETH_KRW"], ["1d", "1m"])
    assert fields["start"] is fields["end"] is None
    assert (run.tags[EXCHANGE_TAG], run.tags[SERIES_TAG]) == ("upbit", "4")
    assert (run.tags[SYMBOLS_TAG], run.tags[TIMEFRAME_TAG]) == ("BTC_KRW, ETH_KRW", "1d, 1m")
    job = build_defs().resolve_job_def("refresh_candles")
    assert (job.tags[CLASS_TAG], job.tags[EXCHANGE_TAG]) == (BULK, "upbit")


def test_markets_are_registered_as_partitions(instance: dg.DagsterInstance, catalog: CandleCatalog) -> None:
    """Those of the settings and those with stored candles; none is removed."""
    (catalog.root / "KRW-OLD" / "1D").mkdir(parents=True)
    for _ in range(2):
        with dg.build_sensor_context(instance=instance, resources={"candles": catalog}) as context:
            markets(context)
    known = instance.get_dynamic_partitions("candle_symbols")
    assert {"BTC_KRW", "NEAR_KRW", "OLD_KRW", "AAA_KRW"} <= set(known)
    assert len(known) == len(set(known))


@dataclass
class ImportSensor:
    """Ticks of the sensor of imported candles."""

    instance: dg.DagsterInstance
    catalog: CandleCatalog
    cursor: str | None = None

    def tick(self) -> dict[tuple[str, str | None], object]:
        """Return the row count of each partition that a tick reports, by asset and partition."""
        resources = {"candles": self.catalog}
        with dg.build_sensor_context(instance=self.instance, resources=resources, cursor=self.cursor) as context:
            result = imported_candles(context)
        if isinstance(result, dg.SkipReason):
            return {}
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        events = [event for event in result.asset_events if isinstance(event, dg.AssetMaterialization)]
        return {(event.asset_key.path[-1], event.partition): event.metadata[ROW_COUNT].value for event in events}

    def store(self, symbol: str, timeframe: str, first: date, days: int, **provenance: Any) -> None:  # noqa: ANN401
        """Store candles, in files that are old enough to be reported."""
        length = parse_timeframe(timeframe)
        candles = synthetic_candles(1, length, first, days * DAY_NS // length.ns)
        self.catalog.merge(symbol, length, candles, **provenance)
        for path in self.catalog.root.glob(f"{symbol}/*/*.parquet"):
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10 * 10**9))


@pytest.fixture
def imports(instance: dg.DagsterInstance, catalog: CandleCatalog) -> ImportSensor:
    """The sensor of an empty catalog, before its first tick."""
    return ImportSensor(instance, catalog)


def test_imported_candles_are_materialized_once(imports: ImportSensor) -> None:
    """Whole markets, or the months that have candles; a market becomes a partition by its import."""
    imports.store("NEW_KRW", "1d", date(2024, 1, 1), 31)
    imports.store("NEW_KRW", "1h", date(2024, 1, 30), 5)
    months = {("1h", "2024-01|NEW_KRW"): 57, ("1h", "2024-02|NEW_KRW"): 63}
    assert imports.tick() == {("1d", "NEW_KRW"): 31, **months}
    assert imports.tick() == {}
    assert "NEW_KRW" in imports.instance.get_dynamic_partitions("candle_symbols")


def test_collected_candles_are_left_to_their_run(imports: ImportSensor) -> None:
    """Its materialization has the figures of the collection."""
    fetched = [month_interval(date(2024, 1, 1))]
    for timeframe in ("1d", "1h"):
        imports.store("AAA_KRW", timeframe, date(2024, 1, 2), 5, fetched=fetched, source="upbit")
    assert imports.tick() == {}


def test_a_file_that_was_just_written_waits(imports: ImportSensor) -> None:
    """Another file may still get an earlier time than its own."""
    imports.store("AAA_KRW", "1d", date(2024, 1, 1), 5)
    (path,) = imports.catalog.root.glob("AAA_KRW/*/*.parquet")
    os.utime(path)
    assert imports.tick() == {}


def test_a_damaged_file_does_not_hide_the_others(imports: ImportSensor) -> None:
    """The checks of the asset report it."""
    for symbol in ("AAA_KRW", "BBB_KRW"):
        imports.store(symbol, "1d", date(2024, 1, 1), 5)
    (path,) = imports.catalog.root.glob("AAA_KRW/*/*.parquet")
    times = path.stat()
    path.write_bytes(b"damaged")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert imports.tick() == {("1d", "BBB_KRW"): 5}


def test_many_files_take_several_ticks(imports: ImportSensor) -> None:
    """None is left out."""
    symbols = [f"S{number:02}_KRW" for number in range(MAX_FILES + 1)]
    for symbol in symbols:
        imports.store(symbol, "1d", date(2024, 1, 1), 2)
    ticks = [imports.tick() for _ in range(3)]
    assert [len(tick) for tick in ticks] == [MAX_FILES, 1, 0]
    assert {partition for tick in ticks for _, partition in tick} == set(symbols)
