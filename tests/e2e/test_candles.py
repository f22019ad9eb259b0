"""Candles on the running platform: fetched from an exchange, listed, streamed, uploaded and backtested."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.platforms import Platform, follow, start_platform, stop_platform, wait_for_process, wait_until
from tests.upbit_server import Clock, UpbitServer, market_candles, serving

NOW = datetime(2024, 12, 31, 12, 30, tzinfo=UTC)
ARROW = "application/vnd.apache.arrow.stream"
BACKFILL_TIMEOUT_S = 90
"""Dagster's daemon looks at backfills every 30 s: once to launch the run, once to record that it has ended."""
LAUNCH_BACKFILL = """mutation($backfill: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status error { message } runs(limit: 10) { tags { key value } } } } }"""
MATERIALIZATIONS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) {
    ... on AssetNode { assetMaterializations(limit: 50) { partition } } } }"""


@pytest.fixture(scope="module")
def upbit() -> Iterator[UpbitServer]:
    """An exchange with a year of daily candles and a month of hourly ones in two markets."""
    candles = {
        (market, unit): market_candles(seed, timeframe, start, bars)
        for seed, market in ((1, "KRW-BTC"), (2, "KRW-ETH"))
        for unit, timeframe, start, bars in (
            ("days", "1d", date(2024, 1, 1), 366),
            ("minutes/60", "1h", date(2024, 12, 1), 31 * 24),
        )
    }
    with serving(UpbitServer(candles, Clock(NOW), delay_s=0.02)) as server:
        yield server


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, upbit: UpbitServer) -> Iterator[Platform]:
    """A platform that starts without candles and fetches them from that exchange."""
    settings = {"COIN_UPBIT_URL": upbit.url, "SCHEDULER_SYMBOLS": "KRW-BTC,KRW-ETH", "SCHEDULER_TIMEFRAMES": "1H,1D"}
    running = start_platform(tmp_path_factory.mktemp("fetching"), **settings)
    yield running
    assert stop_platform(running) == 0


def refresh(platform: Platform, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Submit a refresh and poll it until it has ended; return every status."""
    answer = platform.api.post("/api/candles/refresh", json=body)
    assert answer.status_code == 202, answer.text
    return follow(platform.api, answer.json()["status_url"])


def test_fetched_candles_are_listed_streamed_and_backtested(platform: Platform, upbit: UpbitServer) -> None:
    """A market that fails is named; the candles of the others are stored and usable."""
    body = {"symbols": ["KRW-BTC", "NON_KRW", "ETH_KRW"], "start": "2024-01-01"}
    statuses = refresh(platform, body)
    final = statuses[-1]
    assert final["status"] == "failed"
    assert final["error"].startswith("failed to collect candles of NON_KRW: 1h: upbit has no market NON_KRW")
    assert "BTC_KRW" not in final["error"]
    assert [status["progress"] for status in statuses] == sorted(status["progress"] for status in statuses)
    states = {(series["symbol"], series["timeframe"]): series["state"] for series in final["series"]}
    assert {symbol for (symbol, _), state in states.items() if state == "failed"} == {"NON_KRW"}
    assert len(states) == 6
    listed = platform.api.get("/api/candles").json()["series"]
    inventory = {(series["symbol"], series["timeframe"]): series for series in listed}
    assert set(inventory) == {(symbol, timeframe) for symbol in ("BTC_KRW", "ETH_KRW") for timeframe in ("1h", "1d")}
    assert inventory["BTC_KRW", "1h"]["fetched_until"] == "2024-12-31T12:00:00.000000Z"
    answer = platform.api.get("/api/candles/BTC_KRW", headers={"Accept": ARROW})
    daily = upbit.candles["KRW-BTC", "days"]
    assert pa.ipc.open_stream(answer.content).read_all()["close"].to_pylist() == daily.close.tolist()[:-1]
    days = {"start_date": "2024-01-01", "end_date": "2024-12-30"}
    backtest = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW", "ETH_KRW"], **days}
    result = platform.api.post("/api/backtests/run", json=backtest)
    assert result.status_code == 200, result.text
    assert len(result.json()["symbols"]) == 2


def test_refresh_requests_only_new_candles(platform: Platform, upbit: UpbitServer) -> None:
    """Without a body it refreshes the markets and timeframes of the settings."""
    refresh(platform, {"start": "2024-01-01"})
    upbit.asked.clear()
    final = refresh(platform, {})[-1]
    assert final["status"] == "completed", final
    assert final["progress"] == 1.0
    assert [series["added"] for series in final["series"]] == [0, 0, 0, 0]
    assert not [request for request in upbit.asked if "to" in request]


def test_cancelled_refresh_keeps_what_it_stored(platform: Platform, upbit: UpbitServer) -> None:
    """A later refresh resumes and completes."""
    upbit.delay_s = 1.0
    status_url = platform.api.post("/api/candles/refresh", json={"start": "2020-01-01"}).json()["status_url"]
    wait_until(lambda: platform.api.get(status_url).json()["status"] == "running")
    assert platform.api.post(f"{status_url}/cancel").json()["status"] == "cancelled"
    upbit.delay_s = 0.0
    assert platform.api.get(status_url).json()["status"] == "cancelled"
    assert refresh(platform, {"start": "2024-01-01"})[-1]["status"] == "completed"


def test_refresh_with_killed_process_fails_without_a_retry(platform: Platform, upbit: UpbitServer) -> None:
    """What it stored is kept, and the next refresh completes."""
    upbit.delay_s = 0.5
    body = {"start": "2018-01-01", "timeframes": ["1h"]}
    accepted = platform.api.post("/api/candles/refresh", json=body).json()
    os.kill(wait_for_process(platform, accepted["task_id"]), signal.SIGKILL)
    failed = follow(platform.api, accepted["status_url"])[-1]
    upbit.delay_s = 0.0
    assert failed["status"] == "failed"
    assert "process ended before it had a result" in failed["error"]
    assert refresh(platform, {"start": "2024-01-01"})[-1]["status"] == "completed"


def test_backfill_from_the_dagster_ui_fetches_its_partitions(platform: Platform) -> None:
    """One run covers the range of partitions, has the tags that limit concurrency, and materializes the asset."""
    partitions = {"2024-12|BTC_KRW", "2024-11|BTC_KRW"}
    backfill = {
        "assetSelection": [{"path": ["candles", "1h"]}],
        "partitionNames": sorted(partitions),
        "fromFailure": False,
    }
    launched = platform.graphql(LAUNCH_BACKFILL, backfill=backfill)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> dict[str, Any] | None:
        state: dict[str, Any] = platform.graphql(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
        return None if state["status"] in {"REQUESTED", "CANCELING"} else state

    state = wait_until(ended, BACKFILL_TIMEOUT_S)
    assert state
    assert state["status"] == "COMPLETED_SUCCESS", state
    (run,) = state["runs"]
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert (tags["coin/class"], tags["coin/exchange"]) == ("bulk", "upbit")
    asset = platform.graphql(MATERIALIZATIONS, key={"path": ["candles", "1h"]})["assetNodeOrError"]
    assert {event["partition"] for event in asset["assetMaterializations"]} >= partitions


def test_upload_larger_than_other_request_bodies(platform: Platform, tmp_path: Path) -> None:
    """A candle file over a real connection may exceed the limit of JSON bodies."""
    rows = "\n".join(
        f"{datetime.fromtimestamp(1_700_000_000 // 60 * 60 + 60 * n, UTC):%Y-%m-%dT%H:%M:%SZ},1,2,0.5,1,1"
        for n in range(40_000)
    )
    file = tmp_path / "candles.csv"
    file.write_text(f"timestamp,open,high,low,close,volume\n{rows}\n")
    with file.open("rb") as body:
        answer = platform.api.post(
            "/api/candles/NEW_KRW/upload?timeframe=1m", content=body, headers={"Content-Type": "text/csv"}
        )
    assert (answer.status_code, answer.json()["added"]) == (200, 40_000), answer.text
