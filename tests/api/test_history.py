"""Lists of results over HTTP, from an index in a real database."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.store import to_bytes
from coin_pipeline.storage.local import LocalStore
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

NOON = datetime(2024, 11, 4, 12, 0, 0, 123456, tzinfo=UTC)


def entry(run_id: str, days: int = 0, **changes: Any) -> IndexEntry:  # noqa: ANN401 -- columns of many types
    """Return an entry that finished some days after a noon."""
    return IndexEntry(
        run_id=run_id,
        shelf="results",
        kind="backtest",
        strategy="volume_zone_breakout",
        symbols=["BTC_KRW"],
        start_date=date(2024, 1, 1),
        end_date=date(2024, 12, 31),
        timeframe="1d",
        total_signals=10,
        avg_return=0.5,
        total_return=0.25,
        execution_time=0.125,
        timestamp=NOON + timedelta(days=days),
        version="1.2.0",
        size=1,
        modified=NOON,
        params="window=20",
        sharpe=1.5,
        trades=7,
    )._replace(**changes)


@pytest.fixture
def listing(index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application over an index with three backtests and a sweep."""
    index.add(
        [
            entry("a", 0, strategy="volume_long_candle", avg_return=-1.5),
            entry("b", 1, symbols=["ETH_KRW", "BTC_KRW"], total_signals=3, timeframe="1h", sharpe=2.0, params=None),
            entry("c", 2, symbols=["ETH_KRW"], avg_return=None, total_signals=None, total_return=0.5),
            entry("sweep", 3, kind="sweep"),
        ]
    )
    with client_of(orchestrator, database=index_url) as client:
        yield client


def listed_ids(client: TestClient, **query: object) -> list[str]:
    """Return the ids that the history lists for these filters."""
    response = client.get("/api/backtests/history", params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200
    return [item["run_id"] for item in response.json()["items"]]


def test_history_lists_results_newest_first(listing: TestClient) -> None:
    """Every field of the contract, symbols as names, times in UTC; sweeps are excluded."""
    response = listing.get("/api/backtests/history", params={"limit": 2, "offset": 1}).json()
    item = {
        "run_id": "b",
        "strategy": "volume_zone_breakout",
        "symbols": ["ETH_KRW", "BTC_KRW"],
        "start_date": "2024-01-01",
        "end_date": "2024-12-31",
        "timeframe": "1h",
        "total_signals": 3,
        "avg_return": 0.5,
        "total_return": 0.25,
        "sharpe": 2.0,
        "trades": 7,
        "params": None,
        "execution_time": 0.125,
        "timestamp": "2024-11-05T12:00:00.123456Z",
        "version": "1.2.0",
        "reused_from": None,
        "report_url": "/reports/b",
    }
    other = {**item, "run_id": "a", "strategy": "volume_long_candle", "symbols": ["BTC_KRW"], "total_signals": 10}
    other |= {"timeframe": "1d", "sharpe": 1.5, "params": "window=20", "avg_return": -1.5}
    other |= {"timestamp": "2024-11-04T12:00:00.123456Z", "report_url": "/reports/a"}
    assert response == {"total": 3, "limit": 2, "offset": 1, "items": [item, other], "next_cursor": None}


def test_cursor_pages_through_the_whole_history(listing: TestClient, index: ResultIndex) -> None:
    """Results added meanwhile do not disturb it, and the last page has no cursor."""
    first = listing.get("/api/backtests/history", params={"limit": 2}).json()
    index.add([entry("d", 4)])
    second = listing.get("/api/backtests/history", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["run_id"] for item in first["items"] + second["items"]] == ["c", "b", "a"]
    assert (second["total"], second["next_cursor"]) == (4, None)


def test_a_reused_result_comes_first(listing: TestClient, index: ResultIndex) -> None:
    """The item names the run that computed the result and has the time of the answer."""
    index.add_reuse("a", NOON + timedelta(days=3))
    page = listing.get("/api/backtests/history").json()
    assert [(item["run_id"], item["reused_from"]) for item in page["items"]] == [
        ("a", "a"),
        ("c", None),
        ("b", None),
        ("a", None),
    ]
    assert page["items"][0]["timestamp"] == "2024-11-07T12:00:00.123456Z"
    assert page["total"] == 4
    assert listed_ids(listing, date_from="2024-11-07") == ["a"]


@pytest.mark.parametrize(
    ("query", "run_ids"),
    [
        ({}, ["c", "b", "a"]),
        ({"strategy": "volume_long_candle"}, ["a"]),
        ({"symbol": "BTC_KRW"}, ["b", "a"]),
        ({"symbol": "KRW-ETH"}, ["c", "b"]),
        ({"min_return": 0.5}, ["b"]),
        ({"max_return": 0.4}, ["a"]),
        ({"min_signals": 4}, ["a"]),
        ({"max_signals": 3}, ["b"]),
        ({"min_total_return": 0.3}, ["c"]),
        ({"max_total_return": 0.25}, ["b", "a"]),
        ({"min_sharpe": 1.6}, ["b"]),
        ({"max_sharpe": 1.5}, ["c", "a"]),
        ({"timeframe": "1h"}, ["b"]),
        ({"params": "WINDOW=2"}, ["c", "a"]),
        ({"date_from": "2024-11-05"}, ["c", "b"]),
        ({"date_to": "2024-11-05"}, ["b", "a"]),
        ({"date_from": "2024-11-05", "date_to": "2024-11-05", "symbol": "KRW-BTC", "min_return": 0.5}, ["b"]),
    ],
)
def test_filters_narrow_the_history(listing: TestClient, query: dict[str, object], run_ids: list[str]) -> None:
    """Each filter alone, with inclusive bounds, and all together."""
    assert listed_ids(listing, **query) == run_ids


def test_days_are_in_seoul_time(listing: TestClient, index: ResultIndex) -> None:
    """15:00 UTC belongs to the next day there."""
    index.add([entry("late", 0, timestamp=NOON.replace(hour=15))])
    assert listed_ids(listing, date_from="2024-11-05", date_to="2024-11-05") == ["b", "late"]


@pytest.mark.parametrize(
    "query",
    [
        {"min_return": 2, "max_return": 1},
        {"min_signals": 2, "max_signals": 1},
        {"date_from": "2024-01-02", "date_to": "2024-01-01"},
    ],
)
def test_empty_range_is_400(listing: TestClient, query: dict[str, str | int]) -> None:
    """The response names the lower bound."""
    response = listing.get("/api/backtests/history", params=query)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert [problem["field"] for problem in response.json()["errors"]] == [next(iter(query))]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"min_retrun": 3}, "min_retrun"),
        ({"date_from": "2024-1-1"}, "date_from"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**63}, "offset"),
        ({"symbol": "../x"}, "symbol"),
        ({"strategy": "a\0b"}, "strategy"),
        ({"strategy": ""}, "strategy"),
        ({"min_return": "nan"}, "min_return"),
        ({"max_return": "inf"}, "max_return"),
        ({"min_signals": 1.5}, "min_signals"),
        ({"min_signals": -1}, "min_signals"),
        ({"date_from": "1704067200"}, "date_from"),
        ({"date_to": "yesterday"}, "date_to"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "MjAyNC0xMS0wNFQxMjowMDowMCswMDowMCBh", "offset": 1}, "offset"),
    ],
)
def test_malformed_filter_is_422(listing: TestClient, query: dict[str, str | int], field: str) -> None:
    """The response names the field."""
    response = listing.get("/api/backtests/history", params=query)
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["errors"]] == [field]


def test_latest_result_is_returned_byte_for_byte(listing: TestClient, index: ResultIndex, data_root: Path) -> None:
    """It is the newest that is still stored, synchronous or not."""
    store = LocalStore(data_root)
    document = to_bytes({"run_id": "latest-task", "symbols": []})
    publish_task(store, {"task_id": "latest-task"}, {"result.json": document})
    index.add([entry("latest-task", 8, shelf="tasks"), entry("removed", 9)])
    response = listing.get("/api/backtests/latest")
    assert (response.status_code, response.content) == (200, document)
    assert response.headers["Content-Type"] == "application/json"


def test_latest_is_404_without_results(listing: TestClient) -> None:
    """No result in the index is still stored."""
    response = listing.get("/api/backtests/latest")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("no backtest result is stored yet")


def test_result_is_downloaded_as_a_file(client: TestClient, data_root: Path) -> None:
    """The file is named after the run; an unknown run is 404."""
    publish_document(LocalStore(data_root), {"run_id": "downloaded", "symbols": []}, {})
    response = client.get("/api/backtests/downloaded/download")
    assert json.loads(response.content)["run_id"] == "downloaded"
    assert response.headers["Content-Disposition"] == 'attachment; filename="backtest_downloaded.json"'
    assert client.get("/api/backtests/nothing/download").status_code == 404
    assert client.get("/api/backtests/index/download").status_code == 404


@pytest.mark.parametrize("path", ["history", "latest"])
def test_list_is_503_without_the_database(client: TestClient, path: str) -> None:
    """The response has Retry-After."""
    response = client.get(f"/api/backtests/{path}")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "the database does not respond" in response.json()["detail"]


def test_misspelled_filter_suggests_the_right_one(listing: TestClient) -> None:
    """If it were ignored, the response would list everything."""
    detail = listing.get("/api/backtests/history", params={"min_retrun": 3}).json()["detail"]
    assert "min_retrun: is not a filter (did you mean 'min_return'?); the filters are limit, offset" in detail
    detail = listing.get("/api/backtests/history", params={"date_to": "2024-1-1"}).json()["detail"]
    assert detail == "date_to: '2024-1-1' is not a day; write YYYY-MM-DD"
