"""Candles from an exchange to a backtest, on the running platform: collected, checked, streamed, traded."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from tests.e2e.conftest import Platform, process_of, start_platform, stop_platform
from tests.e2e.test_platform import until
from tests.upbit_server import Clock, UpbitServer, market_candles, serving

NOW = datetime(2024, 12, 31, 12, 30, tzinfo=UTC)
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def upbit() -> Iterator[UpbitServer]:
    """A year of daily candles and a month of hourly ones of two markets."""
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
def collecting(tmp_path_factory: pytest.TempPathFactory, upbit: UpbitServer) -> Iterator[Platform]:
    """A platform without any candle, that collects from that server."""
    root = tmp_path_factory.mktemp("collecting")
    environment = {"COIN_UPBIT_URL": upbit.url, "SCHEDULER_SYMBOLS": "KRW-BTC,KRW-ETH", "SCHEDULER_TIMEFRAMES": "1H,1D"}
    platform = start_platform(root, **environment)
    yield platform
    stop_platform(platform)


def refresh(platform: Platform, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Submit a refresh and poll it until it ends; return every status seen."""
    answer = platform.api.post("/api/candles/refresh", json=body)
    assert answer.status_code == 202, answer.text
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(platform.api.get(answer.json()["status_url"]).json())
        return seen[-1]["status"] not in {"queued", "running"}

    until(ended)
    return seen


def test_what_was_collected_is_traded(collecting: Platform, upbit: UpbitServer) -> None:
    """One market fails and is named; the others are there, in the inventory, as a stream, and for a backtest."""
    body = {"symbols": ["KRW-BTC", "NON_KRW", "ETH_KRW"], "start": "2024-01-01"}
    seen = refresh(collecting, body)
    last = seen[-1]
    assert last["status"] == "failed"
    assert last["error"].startswith("failed to collect candles of NON_KRW: 1h: upbit has no market NON_KRW")
    assert "BTC_KRW" not in last["error"]
    assert [one["progress"] for one in seen] == sorted(one["progress"] for one in seen)
    states = {(one["symbol"], one["timeframe"]): one["state"] for one in last["series"]}
    assert {symbol for (symbol, _), state in states.items() if state == "failed"} == {"NON_KRW"}
    assert len(states) == 6
    told = {(one["symbol"], one["timeframe"]): one for one in collecting.api.get("/api/candles").json()["series"]}
    assert set(told) == {(symbol, timeframe) for symbol in ("BTC_KRW", "ETH_KRW") for timeframe in ("1h", "1d")}
    assert told["BTC_KRW", "1h"]["fetched_until"] == "2024-12-31T12:00:00.000000Z"
    answer = collecting.api.get("/api/candles/BTC_KRW", headers={"Accept": ARROW})
    daily = upbit.candles["KRW-BTC", "days"]
    assert pa.ipc.open_stream(answer.content).read_all()["close"].to_pylist() == daily.close.tolist()[:-1]
    days = {"start_date": "2024-01-01", "end_date": "2024-12-30"}
    run = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW", "ETH_KRW"], **days}
    result = collecting.api.post("/api/backtests/run", json=run)
    assert result.status_code == 200, result.text
    assert len(result.json()["symbols"]) == 2


def test_a_refresh_asks_only_for_what_is_new(collecting: Platform, upbit: UpbitServer) -> None:
    """The defaults are those of the settings; its page in Dagster is found by its tags."""
    refresh(collecting, {"start": "2024-01-01"})
    upbit.asked.clear()
    seen = refresh(collecting, {})
    assert seen[-1]["status"] == "completed", seen[-1]
    assert seen[-1]["progress"] == 1.0
    assert [one["added"] for one in seen[-1]["series"]] == [0, 0, 0, 0]
    assert not [asked for asked in upbit.asked if "to" in asked]


def test_a_refresh_can_be_cancelled(collecting: Platform, upbit: UpbitServer) -> None:
    """What was stored stays; a later one goes on."""
    upbit.delay_s = 1.0
    answer = collecting.api.post("/api/candles/refresh", json={"start": "2020-01-01"})
    place = answer.json()["status_url"]
    until(lambda: collecting.api.get(place).json()["status"] == "running")
    assert collecting.api.post(f"{place}/cancel").json()["status"] == "cancelled"
    upbit.delay_s = 0.0
    assert collecting.api.get(place).json()["status"] == "cancelled"
    assert refresh(collecting, {"start": "2024-01-01"})[-1]["status"] == "completed"


def test_a_refresh_whose_process_is_killed_says_so_and_the_next_goes_on(
    collecting: Platform, upbit: UpbitServer
) -> None:
    """It is not attempted again: what it has stored stays."""
    upbit.delay_s = 0.5
    answer = collecting.api.post("/api/candles/refresh", json={"start": "2018-01-01", "timeframes": ["1h"]})
    task_id, place = answer.json()["task_id"], answer.json()["status_url"]
    until(lambda: process_of(collecting.root, task_id) is not None)
    os.kill(process_of(collecting.root, task_id) or 0, signal.SIGKILL)
    until(lambda: collecting.api.get(place).json()["status"] == "failed")
    upbit.delay_s = 0.0
    assert "process ended before it had a result" in collecting.api.get(place).json()["error"]
    assert refresh(collecting, {"start": "2024-01-01"})[-1]["status"] == "completed"


def test_a_backfill_from_the_ui_collects_its_partitions(collecting: Platform) -> None:
    """As one run for a range, which keeps to the queue; then the asset has them."""
    params = {
        "assetSelection": [{"path": ["candles", "1h"]}],
        "partitionNames": ["2024-12|BTC_KRW", "2024-11|BTC_KRW"],
        "fromFailure": False,
    }
    launched = graphql(collecting, LAUNCH, params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    told: dict[str, Any] = {}

    def ended() -> bool:
        told.update(graphql(collecting, BACKFILL, launched["backfillId"])["partitionBackfillOrError"])
        return told["status"] not in {"REQUESTED", "CANCELING"}

    until(ended, 90)
    assert told["status"] == "COMPLETED_SUCCESS", told
    (run,) = told["runs"]
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert (tags["coin/class"], tags["coin/exchange"]) == ("bulk", "upbit")
    asset = graphql(collecting, MATERIALIZED, {"path": ["candles", "1h"]})["assetNodeOrError"]
    assert {each["partition"] for each in asset["assetMaterializations"]} >= {"2024-12|BTC_KRW", "2024-11|BTC_KRW"}


LAUNCH = """mutation($value: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $value) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($value: String!) { partitionBackfillOrError(backfillId: $value) {
    ... on PartitionBackfill { status error { message } runs(limit: 10) { tags { key value } } } } }"""
MATERIALIZED = """query($value: AssetKeyInput!) { assetNodeOrError(assetKey: $value) {
    ... on AssetNode { assetMaterializations(limit: 50) { partition } } } }"""


def graphql(platform: Platform, query: str, value: object) -> dict[str, Any]:
    """Ask the webserver, as the UI does."""
    body = {"query": query, "variables": {"value": value}}
    answer = httpx2.post(f"{platform.ui_url}/graphql", json=body, timeout=60).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


def test_an_upload_is_there_for_all(collecting: Platform, tmp_path: Path) -> None:
    """Over a real connection, above the limit of other bodies."""
    rows = "\n".join(
        f"{datetime.fromtimestamp(1_700_000_000 // 60 * 60 + 60 * n, UTC):%Y-%m-%dT%H:%M:%SZ},1,2,0.5,1,1"
        for n in range(40_000)
    )
    file = tmp_path / "candles.csv"
    file.write_text(f"timestamp,open,high,low,close,volume\n{rows}\n")
    with file.open("rb") as body:
        answer = collecting.api.post(
            "/api/candles/NEW_KRW/upload?timeframe=1m", content=body, headers={"Content-Type": "text/csv"}
        )
    assert (answer.status_code, answer.json()["added"]) == (200, 40_000), answer.text
