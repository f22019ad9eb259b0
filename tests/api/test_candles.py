"""Candles over HTTP: inventory, pages, streams, uploads and refreshes."""

import io
import resource
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pyarrow import feather
from starlette.types import Message

from coin_api.candles import ARROW, MAX_UPLOADS
from coin_api.page_messages import HEADER as PAGE_HEADER
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.imports.parser.server import shared_server
from coin_pipeline.candles.series_progress import SeriesProgress
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from tests.api.conftest import client_of
from tests.fakes import NOW, FakeOrchestrator

HEADER = "timestamp,open,high,low,close,volume\n"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
DAILY, HOURLY = parse_timeframe("1d"), parse_timeframe("1h")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """A DATA_ROOT with hourly candles of January 2024, of which the first half was fetched."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    catalog = CandleCatalog(tmp_path)
    candles = synthetic_candles(1, HOURLY, date(2024, 1, 1), 31 * 24)
    first, half = int(candles.time[0]), candles.rows(slice(15 * 24))
    catalog.merge("AAA_KRW", HOURLY, half, fetched=[(first, first + 15 * DAY_NS)], source="upbit")
    catalog.merge("AAA_KRW", HOURLY, candles)
    return catalog


@pytest.fixture
def client(orchestrator: FakeOrchestrator, catalog: CandleCatalog) -> Iterator[TestClient]:
    """A client of the application over these candles."""
    assert catalog
    with client_of(orchestrator) as client:
        yield client


def csv(*rows: str) -> bytes:
    """Return a candle file."""
    return (HEADER + "".join(f"{row}\n" for row in rows)).encode()


def upload(client: TestClient, body: bytes | Iterator[bytes], kind: str = "text/csv", **query: str) -> Response:
    """Upload a file."""
    query = {"timeframe": "1d", **query}
    return client.post("/api/candles/NEW_KRW/upload", params=query, content=body, headers={"Content-Type": kind})


def test_inventory_describes_each_series(client: TestClient, catalog: CandleCatalog) -> None:
    """Unreadable series are named and do not hide the others."""
    (catalog.root / "BAD_KRW" / "1D").mkdir(parents=True)
    (catalog.root / "BAD_KRW" / "1D" / "2024.parquet").write_bytes(b"none")
    text = client.get("/api/candles").json()
    (series,) = text["series"]
    assert series.pop("bytes") > 0
    assert series == {
        "symbol": "AAA_KRW",
        "timeframe": "1h",
        "first": series["first"],
        "last": series["last"],
        "end": "2024-01-31T15:00:00.000000Z",
        "rows": 744,
        "source": "upbit",
        "fetched_until": series["fetched_until"],
        "present": 1.0,
        "fetched": pytest.approx(15 / 31),
    }
    assert text["count"] == 1
    assert "BAD_KRW/1D/2024.parquet" in text["broken"][0]
    assert str(catalog.root) not in text["broken"][0]


@pytest.mark.parametrize(
    ("timeframe", "rows", "end"),
    [("2h", 373, "2024-01-31T16:00:00.000000Z"), ("1h", 744, "2024-01-31T15:00:00.000000Z")],
)
def test_inventory_of_a_timeframe_has_what_can_be_read(client: TestClient, timeframe: str, rows: int, end: str) -> None:
    """Stored candles, or bounds of the bars that are resampled from shorter ones."""
    (series,) = client.get("/api/candles", params={"timeframe": timeframe}).json()["series"]
    assert (series["symbol"], series["timeframe"], series["rows"], series["end"]) == ("AAA_KRW", timeframe, rows, end)


def test_pages_contain_every_candle_once(client: TestClient, catalog: CandleCatalog) -> None:
    """In order, for any page size, with the stored values."""
    candles_seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"timeframe": "1H", "limit": 100, "start": "2024-01-03"}
    while True:
        page = client.get("/api/candles/KRW-AAA", params=query).json()
        candles_seen += page["candles"]
        if page["next_cursor"] is None:
            break
        assert len(page["candles"]) == 100
        query["cursor"] = page["next_cursor"]
    bars = catalog.read("AAA_KRW", HOURLY, date(2024, 1, 3), date(2024, 2, 1))
    stamps = [datetime.fromtimestamp(ns / 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z") for ns in bars.time]
    assert [item["timestamp"] for item in candles_seen] == stamps
    assert [item["close"] for item in candles_seen] == bars.close.tolist()
    assert set(candles_seen[0]) == {"timestamp", "open", "high", "low", "close", "volume"}


def test_arrow_stream_contains_the_whole_range(client: TestClient, catalog: CandleCatalog) -> None:
    """It has the stored columns, with the time zone."""
    response = client.get("/api/candles/AAA_KRW", params={"timeframe": "1h"}, headers={"Accept": ARROW})
    assert response.headers["Content-Type"] == ARROW
    table = pa.ipc.open_stream(response.content).read_all()
    assert table.num_rows == 744
    assert table.schema.field("timestamp").type == pa.timestamp("ns", "UTC")
    bars = catalog.read("AAA_KRW", HOURLY, date(2024, 1, 1), date(2024, 2, 1))
    assert table["volume"].to_pylist() == bars.volume.tolist()


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/candles/AAA_KRW?timeframe=3h", 422, "timeframe: '3h' is not a timeframe; choose one of 1m"),
        ("/api/candles/aaa", 422, "symbol: 'aaa' is not a market; write BTC_KRW or KRW-BTC"),
        ("/api/candles/..%2Fx", 422, "symbol: '../x' is not a market"),
        ("/api/candles/%2e%2e", 422, "symbol: '..' is not a market"),
        ("/api/candles/AAA_KRW?timeframe=1h&start=2024-13-01", 422, "start: '2024-13-01' is not a day"),
        ("/api/candles/AAA_KRW?timeframe=1h&limit=0", 422, "limit: Input should be greater than or equal to 1"),
        ("/api/candles/AAA_KRW?timeframe=1h&cursor=x", 422, "cursor: "),
        ("/api/candles/AAA_KRW?timefrme=1h", 422, "is not a field of this request (did you mean 'timeframe'?)"),
        ("/api/candles/AAA_KRW", 404, "no 1d candles from the beginning to the end for AAA_KRW (stored: 1h 2024-01-01"),
        ("/api/candles/AAA_KRW?timeframe=1h&start=2025-01-01", 404, "no 1h candles from 2025-01-01 to the end"),
        ("/api/candles/ZZZ_KRW?timeframe=1h", 404, "ZZZ_KRW (nothing stored; fetch with 'coin candles get ZZZ_KRW"),
    ],
)
def test_invalid_candle_requests_are_problems(client: TestClient, path: str, status: int, message: str) -> None:
    """The response names the value and the remedy, or what is stored."""
    response = client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert message in response.json()["detail"]


@pytest.mark.parametrize("kind", ["text/csv; charset=utf-8", "application/vnd.apache.parquet", "application/x-feather"])
def test_uploaded_file_is_merged(client: TestClient, catalog: CandleCatalog, kind: str) -> None:
    """A second upload changes nothing."""
    frame = to_frame(synthetic_candles(7, DAILY, date(2024, 1, 1), 30))
    body = io.BytesIO()
    if "csv" in kind:
        frame.to_csv(body, index=False)
    elif "feather" in kind:
        feather.write_feather(frame, body)
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), body)
    response = upload(client, body.getvalue(), kind)
    assert response.status_code == 200, response.text
    assert {name: response.json()[name] for name in ("symbol", "timeframe", "added", "replaced", "unchanged")} == {
        "symbol": "NEW_KRW",
        "timeframe": "1d",
        "added": 30,
        "replaced": 0,
        "unchanged": 0,
    }
    quality = response.json()["quality"]
    assert (quality["present"], quality["not_fetched"], quality["sound"], quality["findings"]) == (30, 0, True, [])
    assert upload(client, body.getvalue(), kind).json()["unchanged"] == 30
    assert catalog.stored("NEW_KRW", DAILY)[0].rows == 30


@pytest.mark.parametrize(
    ("body", "query", "message"),
    [
        (csv("2024-01-01T00:00:00Z,1,2,0.5,1,1", "2024-01-02T00:00:00Z,1,0.9,0.5,1,1"), {}, "row 2 at 2024-01-02"),
        (csv("2024-01-01T00:00:00Z,1,2,0.5,1,1", "2024-01-01T00:00:00Z,1,2,0.5,1,1"), {}, "repeats the candle before"),
        (csv("2024-01-01T00:00:00Z,1,2,0.5,1,1", "2024-01-01T05:00:00Z,1,2,0.5,1,1"), {}, "does not fit timeframe 1d"),
        (csv("2024-01-01T00:00:00Z,1,2,0.5,1,1"), {"timeframe": "1M"}, "months are not supported"),
        (csv("2024-01-01,1,2,0.5,1,1"), {}, "no time zone"),
        (csv("2024-01-01,1,2,0.5,1,1"), {"tz": "Seoul"}, "'Seoul' is not a time zone"),
        (b"", {}, "the file: "),
        (b"\x00\xff" * 100, {}, "the file: "),
    ],
)
def test_file_with_an_invalid_row_is_refused_entirely(
    client: TestClient, catalog: CandleCatalog, body: bytes, query: dict[str, str], message: str
) -> None:
    """422 names the row and the value, but no path of this machine; nothing is stored."""
    response = upload(client, body, **query)
    assert response.status_code == 422
    assert message in response.json()["detail"]
    assert "/tmp" not in response.text  # noqa: S108 -- where uploads lie
    assert not (catalog.root / "NEW_KRW").exists()


def test_timestamps_without_a_zone_use_the_tz_parameter(client: TestClient, catalog: CandleCatalog) -> None:
    """They are interpreted in the given time zone."""
    body = csv("2024-01-01 09:00,1,2,0.5,1,1")
    assert upload(client, body, tz="Asia/Seoul").json()["first"] == "2024-01-01T00:00:00.000000Z"
    assert catalog.stored("NEW_KRW", DAILY)[0].first == datetime(2024, 1, 1, tzinfo=UTC)


def test_unsupported_media_type_is_refused(client: TestClient) -> None:
    """The response lists the supported ones."""
    response = upload(client, b"{}", "application/xml")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Content-Type"
    assert "send one of text/csv, application/json" in response.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
def test_file_above_the_limit_is_413(
    orchestrator: FakeOrchestrator, catalog: CandleCatalog, monkeypatch: pytest.MonkeyPatch, *, declared: bool
) -> None:
    """Whether its length is declared or only counted while reading; nothing is stored."""
    monkeypatch.setenv("COIN_MAX_UPLOAD_MIB", "1")
    chunk = b"2024-01-01T00:00:00Z,1,2,0.5,1,1\n" * 1000
    body = chunk * 40 if declared else iter([chunk] * 40)
    with client_of(orchestrator) as client:
        response = upload(client, body)
    assert response.status_code == 413
    assert "COIN_MAX_UPLOAD_MIB=1" in response.json()["detail"]
    assert not (catalog.root / "NEW_KRW").exists()


def test_file_with_too_many_rows_is_refused(client: TestClient, catalog: CandleCatalog) -> None:
    """The number of rows is limited even if the file is small."""
    body = io.BytesIO()
    pq.write_table(pa.table({"timestamp": np.zeros(2_000_001, np.int8)}), body)
    assert len(body.getvalue()) < 20_000
    response = upload(client, body.getvalue(), "application/vnd.apache.parquet")
    assert response.status_code == 422
    assert "the file: has 2,000,001 rows, more than the limit of 1,747,626" in response.json()["detail"]
    assert not (catalog.root / "NEW_KRW").exists()


def test_upload_may_exceed_the_body_limit(client: TestClient) -> None:
    """The limit of a megabyte applies to other bodies only."""
    rows = [f"{datetime.fromtimestamp(60 * n, UTC):%Y-%m-%dT%H:%M:%SZ},1,2,0.5,1,1" for n in range(40_000)]
    response = upload(client, csv(*rows), timeframe="1m")
    assert (response.status_code, response.json()["added"]) == (200, 40_000)


def test_refresh_is_accepted(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Omitted fields come from the settings; a repeated key returns the same task."""
    body = {"symbols": ["KRW-BTC"], "start": "2024-01-01", "end": "2024-01-31"}
    response = client.post("/api/candles/refresh", json=body, headers={"Idempotency-Key": "k"})
    assert response.status_code == 202, response.text
    task_id = response.json()["task_id"]
    status_url = f"/api/candles/refresh/{task_id}"
    assert response.json() == {
        "task_id": task_id,
        "status": "queued",
        "created_at": "2024-11-04T10:30:45.123456Z",
        "report_url": None,
        "series": 5,
        "status_url": status_url,
    }
    assert (response.headers["Location"], response.headers["Retry-After"]) == (status_url, "1")
    config = orchestrator.submitted[0][0].config["ops"]["plan_refresh"]["config"]
    assert (config["symbols"], config["timeframes"]) == (["BTC_KRW"], ["1m", "5m", "1h", "1d", "1w"])
    again = client.post("/api/candles/refresh", json=body, headers={"Idempotency-Key": "k"})
    assert again.json()["task_id"] == task_id
    other = client.post("/api/candles/refresh", json={}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"symbols": ["btc"]}, "symbols", "'btc' is not a market; write BTC_KRW or KRW-BTC"),
        ({"symbols": []}, "symbols", "at least 1 item"),
        ({"timeframes": ["3h"]}, "timeframes.0", "'3h' is not a timeframe"),
        ({"timeframes": ["1M"]}, "timeframes.0", "'1M' is not a timeframe (1m is 1 min; months are not supported)"),
        ({"timeframes": ["2h"]}, "exchange", "'2h' is not a timeframe of upbit; fetch 1h"),
        ({"end": "2024-01-01"}, "end", "requires a start"),
        ({"symbol": ["BTC_KRW"]}, "symbol", "did you mean 'symbols'"),
        ({"exchange": "nowhere"}, "exchange", "nowhere"),
    ],
)
def test_refresh_with_an_invalid_field_is_422(
    client: TestClient, orchestrator: FakeOrchestrator, body: dict[str, Any], field: str, message: str
) -> None:
    """Nothing is launched."""
    response = client.post("/api/candles/refresh", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert message in response.json()["errors"][0]["message"]
    assert orchestrator.submitted == []


def test_refresh_is_503_while_asynchronous_runs_are_off(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It is an asynchronous submission like the others."""
    orchestrator.async_disabled = True
    assert client.post("/api/candles/refresh", json={}).status_code == 503


def test_status_of_a_refresh(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It reports each series; a failed refresh is 200, with the errors of its markets."""
    series = (
        SeriesProgress(
            symbol="BTC_KRW",
            timeframe="1m",
            state="collecting",
            done=400,
            planned=20_000,
            candles=398,
            per_second=1600.0,
            eta_seconds=12.25,
        ),
        SeriesProgress(symbol="XRP_KRW", timeframe="1m", state="failed", error="upbit has no market XRP_KRW"),
    )
    orchestrator.outcome = replace(orchestrator.outcome, status="running", progress=0.51, series=series, started_at=NOW)
    task_id = client.post("/api/candles/refresh", json={}).json()["task_id"]
    response = client.get(f"/api/candles/refresh/{task_id}")
    assert response.headers["Retry-After"] == "10"
    assert response.json()["result"] is None
    assert response.json()["series"] == [
        {
            "symbol": "BTC_KRW",
            "timeframe": "1m",
            "state": "collecting",
            "done": 400,
            "planned": 20_000,
            "candles": 398,
            "added": None,
            "per_second": 1600.0,
            "eta_seconds": 12.25,
            "error": None,
        },
        {
            "symbol": "XRP_KRW",
            "timeframe": "1m",
            "state": "failed",
            "done": 0,
            "planned": None,
            "candles": 0,
            "added": None,
            "per_second": None,
            "eta_seconds": None,
            "error": "upbit has no market XRP_KRW",
        },
    ]
    orchestrator.move(task_id, "completed", 1.0)
    assert client.get(f"/api/candles/refresh/{task_id}").json()["status"] == "completed"
    with client.stream("GET", f"/api/candles/refresh/{task_id}/events") as events:
        text = "".join(events.iter_text())
    assert '"state":"collecting"' in text
    assert client.post(f"/api/candles/refresh/{task_id}/cancel").status_code == 409


def test_unknown_refreshes_are_404_and_known_ones_can_be_cancelled(client: TestClient) -> None:
    """The id of a refresh is unknown to the sweep routes."""
    task_id = client.post("/api/candles/refresh", json={}).json()["task_id"]
    for unknown in (UNKNOWN, "nothing"):
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
            assert client.request(method, f"/api/candles/refresh/{unknown}{path}").status_code == 404
    assert client.get(f"/api/sweeps/{task_id}").status_code == 404
    response = client.post(f"/api/candles/refresh/{task_id}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


def test_root_lists_the_candle_endpoints(client: TestClient) -> None:
    """Each has a description."""
    endpoints = client.get("/").json()["endpoints"]
    for endpoint in (
        "GET /api/candles",
        "GET /api/candles/{symbol}",
        "POST /api/candles/{symbol}/upload",
        "POST /api/candles/refresh",
        "GET /api/candles/refresh/{task_id}",
        "GET /api/candles/refresh/{task_id}/events",
        "POST /api/candles/refresh/{task_id}/cancel",
    ):
        assert endpoints[endpoint]


def test_upload_reports_what_was_understood_and_left_out(client: TestClient, catalog: CandleCatalog) -> None:
    """A dry run stores nothing; the candle of today is left out."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [f"{today - timedelta(days=back):%Y-%m-%dT%H:%M:%SZ},1,2,0.5,1,1" for back in range(4)]
    body = csv(*rows).replace(b"timestamp,open", b"when,first")
    query = {"columns": "time=when,open=first"}
    report = upload(client, body, dry_run="true", **query).json()
    assert (report["dry_run"], report["added"], report["removed"]) == (True, 3, 0)
    assert report["left_out"] == {f"still open ({today:%Y-%m-%d}T00:00:00Z)": 1}
    assert "NEW_KRW" not in catalog.symbols()
    assert upload(client, body, **query).json()["added"] == 3
    assert catalog.stored("NEW_KRW")[0].rows == 3


def test_columns_that_are_not_recognized_are_listed(client: TestClient) -> None:
    """Under the name with which the parameter `columns` takes them, or their position; then each has its field."""
    body = csv("2024-01-01T00:00:00Z,1,2,0.5,1,1").replace(
        HEADER.encode(), b'When,First,"Top, most",Low,Close,Volume\n'
    )
    problem = upload(client, body).json()
    assert problem["errors"][0]["field"] == "columns"
    assert [column["key"] for column in problem["columns"]] == ["When", "First", "3", "Low", "Close", "Volume"]
    assert problem["columns"][2] == {"key": "3", "text": "Top, most", "field": None}
    report = upload(client, body, columns="time=When,open=First,high=3").json()
    assert [column["field"] for column in report["columns"]] == ["time", "open", "high", "low", "close", "volume"]


def test_a_file_without_a_header_lists_its_first_cells(client: TestClient) -> None:
    """Its columns are numbered."""
    problem = upload(client, b"x,2024-01-01T00:00:00Z,1,2,0.5,1,1\n" * 3).json()
    assert problem["columns"][1] == {"key": "2", "text": "2024-01-01T00:00:00Z", "field": None}


@pytest.mark.parametrize(
    ("row", "query", "field", "message"),
    [
        ("2024-01-01,1,2,0.5,1,1", {}, "tz", "the file: its times have no time zone; pass tz=UTC or tz=Asia/Seoul"),
        ("2024-01-01,1,2,0.5,1,1", {"tz": "Seoul"}, "tz", "'Seoul' is not a time zone (did you mean 'Asia/Seoul'?)"),
        ("2024-01-01T23:59:59Z,1,2,0.5,1,1", {}, "stamps", "pass stamps=close to convert them, or stamps=open"),
        ("01/02/2024,1,2,0.5,1,1", {"tz": "UTC"}, "columns.dates", "pass columns dates=dmy or dates=mdy"),
        ('2024-01-01T00:00:00Z,"1,000","2,000","1,000","1,000",1', {}, "columns.decimal", "pass columns decimal=point"),
    ],
)
def test_a_problem_names_the_parameter_that_resolves_it(
    client: TestClient, row: str, query: dict[str, str], field: str, message: str
) -> None:
    """In the notation of the query."""
    (problem,) = upload(client, csv(row), **query).json()["errors"]
    assert problem["field"] == field
    assert message in problem["message"]


@pytest.mark.parametrize(("language", "layout"), [("ko", "열 이름으로 인식"), ("en", "columns by name")])
def test_layout_is_in_the_language_of_the_page(client: TestClient, language: str, layout: str) -> None:
    """It comes from the process that reads the file."""
    body = csv("2024-01-01T00:00:00Z,1,2,0.5,1,1")
    headers = {"Content-Type": "text/csv", PAGE_HEADER: language}
    path = "/api/candles/NEW_KRW/upload?timeframe=1d&dry_run=true"
    assert client.post(path, content=body, headers=headers).json()["layout"] == layout


def test_stored_candles_are_kept_without_permission_to_replace(client: TestClient, catalog: CandleCatalog) -> None:
    """The report is that of a dry run; candles that only add to the stored ones need no permission."""
    days = [f"2024-01-0{day}T00:00:00Z,1,2,0.5,1,{day}" for day in (1, 2, 3)]
    assert upload(client, csv(*days), replace="false").json()["dry_run"] is False
    changed = csv(days[0], days[1].replace(",1,2,", ",1,9,"), days[2].replace(",1,2,", ",1,8,"))
    before = catalog.stored("NEW_KRW")
    report = upload(client, changed, replace="false").json()
    assert (report["dry_run"], report["replaced"], report["unchanged"]) == (True, 2, 1)
    ends = [report[name].partition("T")[0] for name in ("overwritten_first", "overwritten_last")]
    assert ends == ["2024-01-02", "2024-01-03"]
    assert catalog.stored("NEW_KRW") == before
    assert upload(client, changed).json()["dry_run"] is False
    high = catalog.load("NEW_KRW", DAILY, date(2024, 1, 1), date(2024, 1, 4)).candles.high
    assert high.tolist() == [2.0, 9.0, 8.0]


def test_only_the_reported_candles_are_overwritten(client: TestClient, catalog: CandleCatalog) -> None:
    """If other candles were stored after the report, nothing is stored, and the new report is about these, too."""
    upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1"))
    body = csv(*(f"2024-01-0{day}T00:00:00Z,1,9,0.5,1,1" for day in (1, 2, 3)))
    asked = upload(client, body, replace="false").json()
    upload(client, csv("2024-01-02T00:00:00Z,1,5,0.5,1,1"))
    before = catalog.stored("NEW_KRW")
    again = upload(client, body, overwrite=asked["overwritten_sha256"]).json()
    assert (again["dry_run"], asked["replaced"], again["replaced"]) == (True, 1, 2)
    assert catalog.stored("NEW_KRW") == before
    assert upload(client, body, overwrite=again["overwritten_sha256"]).json()["dry_run"] is False


def test_bars_that_would_be_resampled_are_not_replaced(client: TestClient) -> None:
    """The first file of a timeframe only adds candles, although bars of it can be read."""
    rows = csv("2024-01-20T00:00:00Z,1,2,0.5,1,1", "2024-01-20T02:00:00Z,1,2,0.5,1,1")
    response = client.post(
        "/api/candles/AAA_KRW/upload?timeframe=2h&replace=false", content=rows, headers={"Content-Type": "text/csv"}
    )
    assert (response.json()["dry_run"], response.json()["added"]) == (False, 2)


def test_a_dry_run_refuses_what_an_upload_refuses(client: TestClient) -> None:
    """Such as candles that open between the stored ones."""
    assert upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1")).status_code == 200
    late = csv("2024-01-05T05:00:00Z,1,2,0.5,1,1", "2024-01-06T05:00:00Z,1,2,0.5,1,1")
    answers = [upload(client, late, dry_run=dry_run) for dry_run in ("true", "false")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


def test_a_market_with_a_slash_has_a_hint_when_read(client: TestClient) -> None:
    """Not only when candles are uploaded."""
    response = client.get("/api/candles/BTC/KRW?timeframe=1d")
    assert response.status_code == 422
    assert "did you mean 'BTC_KRW'?" in response.json()["detail"]


@pytest.mark.parametrize("path", ["BTC/KRW/1h", "btc/krw/1H", "BTC_KRW/1h"])
def test_a_timeframe_in_the_path_has_a_hint_at_the_right_address(client: TestClient, path: str) -> None:
    """With the market in the right form."""
    response = client.get(f"/api/candles/{path}")
    assert response.status_code == 422
    address = f"/api/candles/BTC_KRW?timeframe={path.rpartition('/')[2]}"
    assert {"field": "timeframe", "message": f"belongs in the query; GET {address}"} in response.json()["errors"]


@pytest.mark.parametrize("path", ["BTC_KRW/upload", "refresh/0/cancel"])
def test_an_action_is_requested_by_post(client: TestClient, path: str) -> None:
    """Its path is not a market with a slash."""
    response = client.get(f"/api/candles/{path}")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_market_with_a_slash_is_suggested_in_the_right_form(client: TestClient) -> None:
    """Although the path then has one part more."""
    response = client.post(
        "/api/candles/BTC%2FKRW/upload?timeframe=1d", content=b"", headers={"Content-Type": "text/csv"}
    )
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {
            "field": "symbol",
            "message": "'BTC/KRW' is not a market (did you mean 'BTC_KRW'?); write BTC_KRW or KRW-BTC",
        }
    ]


@pytest.mark.parametrize(
    ("query", "field"), [({"stamps": "end"}, "stamps"), ({"columns": "price=x"}, "columns"), ({"zone": "UTC"}, "zone")]
)
def test_invalid_upload_options_are_named(client: TestClient, query: dict[str, str], field: str) -> None:
    """422 names the parameter."""
    response = upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1"), **query)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_uploading_again_in_another_zone_removes_the_misplaced_candles(
    client: TestClient, catalog: CandleCatalog
) -> None:
    """The response counts them and contains the distance."""
    body = csv(*(f"2024-01-0{day},{day},{day + 1},0.5,{day},1" for day in range(1, 8)))
    upload(client, body, tz="UTC")
    report = upload(client, body, tz="Asia/Seoul").json()
    assert (report["added"], report["removed"]) == (7, 7)
    assert "equal candles of this file that open 9 h earlier" in report["notes"][-1]
    assert catalog.stored("NEW_KRW")[0].rows == 7


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_prices_of_another_quote_currency_are_noted(client: TestClient, dry_run: str) -> None:
    """They are stored nevertheless; the note has both prices."""
    krw, usdt = 57_000_000, 43_000
    upload(client, csv(*(f"2024-01-0{day}T00:00:00Z,{krw},{krw},{krw},{krw},1" for day in (1, 2, 3))))
    file = csv(*(f"2024-01-0{day}T00:00:00Z,{usdt},{usdt},{usdt},{usdt},1" for day in (3, 4, 5)))
    report = upload(client, file, dry_run=dry_run).json()
    (note,) = report["notes"]
    assert note.startswith("its prices are about 43,000, but about 57,000,000 in the stored candles of about the same")
    assert note.endswith("pass columns decimal=point or decimal=comma")
    assert (report["added"], report["replaced"]) == (2, 1)


def test_a_small_file_with_much_content_costs_the_api_no_memory(client: TestClient) -> None:
    """It is read elsewhere, within limits, and named as too large."""
    upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1"))  # loads what every upload needs
    body = io.BytesIO()
    with (
        zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.csv", "w") as file,
    ):
        for _ in range(200):
            file.write(b"1," * (1 << 19))
    before = peak_memory_mib()
    response = upload(client, body.getvalue(), "application/zip")
    assert response.status_code == 422
    assert "the file: expands to more than 160 MiB" in response.json()["detail"]
    assert peak_memory_mib() < before + 20


def peak_memory_mib() -> float:
    """Return the peak memory of this process, which contains the API."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_uploads_beyond_the_limit_are_429(client: TestClient) -> None:
    """Before their bodies are read; a place that ends is free again."""
    uploads = client.app.state.uploads  # type: ignore[attr-defined]
    body = csv("2024-01-01T00:00:00Z,1,2,0.5,1,1")
    with ExitStack() as places:
        for _ in range(MAX_UPLOADS):
            places.enter_context(uploads.place())
        response = upload(client, body)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "5")
        assert "8 candle files are being uploaded" in response.json()["detail"]
    assert upload(client, body).status_code == 200


def test_a_full_disk_is_507(client: TestClient) -> None:
    """The uploaded file goes to the disk of the candles."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        response = upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1") * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert response.status_code == 507
    assert "no space left to write" in response.json()["detail"]


def test_an_upload_leaves_no_file(client: TestClient, catalog: CandleCatalog) -> None:
    """Its file has no name, so that not even a kill leaves one."""
    named = []

    def body() -> Iterator[bytes]:
        yield csv()
        named.extend(path for path in catalog.root.rglob("*") if path.is_file() and path.suffix != ".parquet")
        yield b"2024-01-01T00:00:00Z,1,2,0.5,1,1\n"

    assert upload(client, body()).status_code == 200
    assert [path for path in named if path.name != ".lock"] == []


def test_a_disconnected_client_ends_the_reader(client: TestClient) -> None:
    """Its process is killed while it reads."""
    upload(client, csv("2024-01-01T00:00:00Z,1,2,0.5,1,1"))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.csv", bytes(40 << 20))
    server = shared_server()._process
    assert server
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    messages: list[Message] = [{"type": "http.request", "body": body.getvalue()}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await anyio.to_thread.run_sync(wait_for, lambda: children.read_text() != "")
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/candles/NEW_KRW/upload",
        "query_string": b"timeframe=1d",
        "headers": [(b"content-type", b"application/zip"), (b"host", b"testserver")],
        "http_version": "1.1",
    }
    assert client.portal
    client.portal.call(client.app, scope, receive, send)
    wait_for(lambda: children.read_text() == "")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, 10 s at most."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
