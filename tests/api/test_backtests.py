"""Submitting, following and fetching backtests over HTTP."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_api.deps import Timeouts
from coin_api.schemas import Status
from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.web.body_limit import MAX_BODY_BYTES
from tests.api.conftest import client_of
from tests.candle_data import drop_rows
from tests.fakes import NOW, FakeOrchestrator

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}


def store_result(data_root: Path, run_id: str) -> bytes:
    """Store a document like a finished run."""
    document = json.dumps({"run_id": run_id, "symbols": []}).encode()
    (data_root / "results").mkdir(exist_ok=True)
    (data_root / f"results/{run_id}.json").write_bytes(document)
    return document


def submitted_config(orchestrator: FakeOrchestrator) -> dict[str, Any]:
    """Return the config of the first submitted backtest."""
    config: dict[str, Any] = orchestrator.submitted[0][0].config["ops"]["load_candles"]["config"]
    return config


def test_run_async_returns_202_with_polling_headers(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The body has task id, status and time; Location and Retry-After direct the client to the status."""
    response = client.post("/api/backtests/run-async", json=BODY)
    assert response.status_code == 202
    task_id = response.json()["task_id"]
    assert response.json() == {
        "task_id": task_id,
        "status": "queued",
        "created_at": "2024-11-04T10:30:45.123456Z",
        "report_url": f"/reports/{task_id}",
    }
    assert response.headers["Location"] == f"/api/backtests/status/{task_id}"
    assert response.headers["Retry-After"] == "1"
    assert submitted_config(orchestrator)["shelf"] == "tasks"
    assert str(uuid.UUID(task_id)) == task_id


def test_insufficient_coverage_is_404_unless_min_coverage_allows_it(
    client: TestClient, orchestrator: FakeOrchestrator, candles: CandleCatalog
) -> None:
    """A synchronous request is refused at once, also for gaps without provenance; a lower min_coverage is passed on."""
    daily = parse_timeframe("1d")
    stored = drop_rows(synthetic_candles(3, daily, date(2024, 1, 1), 366), range(2, 366, 4))
    candles.merge("HOLE_KRW", daily, stored)
    body = {**BODY, "symbols": ["HOLE_KRW"]}
    response = client.post("/api/backtests/run", json=body)
    assert (response.status_code, orchestrator.submitted) == (404, [])
    detail = response.json()["detail"]
    assert "HOLE_KRW (366 candles expected, 275 present, 91 not fetched" in detail
    assert "'coin candles get HOLE_KRW --timeframe 1d --from 2024-01-01 --to 2024-12-31'" in detail
    assert "min_coverage=0.75" in detail
    client.post("/api/backtests/run-async", json={**body, "min_coverage": 0.5})
    assert submitted_config(orchestrator)["min_coverage"] == 0.5
    assert client.post("/api/backtests/run-async", json={**body, "min_coverage": 2}).status_code == 422


def test_idempotency_key_reaches_the_orchestrator(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The orchestrator derives the run id from the header."""
    client.post("/api/backtests/run-async", json=BODY, headers={"Idempotency-Key": "k1"})
    assert orchestrator.submitted[0][1].idempotency_key == "k1"


def test_status_of_a_queued_task(client: TestClient) -> None:
    """A queued task has neither a result nor an error."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.get(f"/api/backtests/status/{task_id}")
    assert response.status_code == 200
    assert response.json() == {
        "task_id": task_id,
        "status": "queued",
        "progress": 0.0,
        "result": None,
        "error": None,
        "created_at": "2024-11-04T10:30:45.123456Z",
        "started_at": None,
        "finished_at": None,
        "dagster_url": f"http://ui/runs/{task_id}",
        "report_url": f"/reports/{task_id}",
    }


@pytest.mark.parametrize(("age_s", "seconds"), [(-3600, "1"), (0, "1"), (15, "1"), (47, "4"), (100, "10"), (9e6, "10")])
def test_retry_after_is_a_tenth_of_the_age_of_the_task(
    client: TestClient, orchestrator: FakeOrchestrator, age_s: float, seconds: str
) -> None:
    """It is a whole number of seconds from 1 to 10, whatever the clocks show."""
    orchestrator.outcome = replace(orchestrator.outcome, created_at=datetime.now(UTC) - timedelta(seconds=age_s))
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    assert client.get(f"/api/backtests/status/{task_id}").headers["Retry-After"] == seconds


def test_status_of_a_completed_task_contains_the_result(
    client: TestClient, orchestrator: FakeOrchestrator, data_root: Path
) -> None:
    """The stored document is part of the response."""
    orchestrator.outcome = replace(orchestrator.outcome, status="completed", progress=1.0, finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    store_result(data_root, task_id)
    response = client.get(f"/api/backtests/status/{task_id}")
    assert response.json()["result"] == {"run_id": task_id, "symbols": [], "reused_from": None}
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("path", ["/api/backtests/status/{}", "/api/backtests/{}"])
def test_completed_task_with_expired_result_is_404(
    client: TestClient, orchestrator: FakeOrchestrator, path: str
) -> None:
    """Retention removes the files shortly before the run; in between, the task is treated as unknown."""
    orchestrator.outcome = replace(orchestrator.outcome, status="completed", progress=1.0, finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.get(path.format(task_id))
    assert response.status_code == 404
    assert response.json()["detail"] == f"no result or task has the id '{task_id}'; it may have expired"


def test_status_of_a_failed_task_is_200_with_its_error(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A failed run is a valid status, not an error of the request."""
    orchestrator.outcome = replace(orchestrator.outcome, status="failed", error="no candles", finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.get(f"/api/backtests/status/{task_id}")
    assert (response.status_code, response.json()["status"], response.json()["error"]) == (200, "failed", "no candles")


def test_run_waits_for_the_run_and_returns_its_document(
    client: TestClient, orchestrator: FakeOrchestrator, data_root: Path
) -> None:
    """The synchronous response is the stored document, with reused_from set to null."""

    def finish(task_id: str) -> None:
        store_result(data_root, task_id)
        orchestrator.move(task_id, "completed", 1.0)

    orchestrator.then = finish
    response = client.post("/api/backtests/run", json=BODY)
    assert response.status_code == 200
    assert response.json() == {"run_id": response.json()["run_id"], "symbols": [], "reused_from": None}
    assert submitted_config(orchestrator)["shelf"] == "results"


@pytest.fixture
def computed(client: TestClient, candles: CandleCatalog, data_root: Path) -> str:
    """Id of the run whose stored result is that of BODY."""
    assert client
    return compute(candles, data_root)


def compute(candles: CandleCatalog, data_root: Path, index: ResultIndex | None = None, **fields: object) -> str:
    """Run BODY with other fields, store its result and return its id."""
    registry, run_id = load_registry(), str(uuid.uuid4())
    spec = resolve(parse_request({**BODY, **fields}), registry)
    result = runner.run_backtest(spec, candles, registry, run_id=run_id)
    publish_result(LocalStore(data_root), backtest_files(result), index=index)
    return run_id


@pytest.fixture
def listing(
    client: TestClient, orchestrator: FakeOrchestrator, index: ResultIndex, index_url: str
) -> Iterator[TestClient]:
    """A client of the application with an empty index of results."""
    assert client
    assert index
    with client_of(orchestrator, database=index_url) as with_database:
        yield with_database


def test_identical_backtest_returns_the_stored_result(
    listing: TestClient, orchestrator: FakeOrchestrator, computed: str, data_root: Path
) -> None:
    """No run is launched; run_id and reused_from name the original run, and the stored document is unchanged."""
    response = listing.post("/api/backtests/run", json={**BODY, "symbols": ["KRW-AAA"]})
    assert response.status_code == 200
    assert orchestrator.submitted == []
    stored = json.loads((data_root / f"results/{computed}.json").read_bytes())
    assert response.json() == {**stored, "reused_from": computed}
    assert stored["run_id"] == computed
    assert "reused_from" not in listing.get(f"/api/backtests/{computed}").json()


def test_a_repeated_submission_is_the_latest(
    listing: TestClient, candles: CandleCatalog, data_root: Path, index: ResultIndex
) -> None:
    """A, B, then A again: the result of A is the latest and first in the history, and its file is unchanged."""
    first, second = compute(candles, data_root, index), compute(candles, data_root, index, fee_rate=0.002)
    stored = (data_root / f"results/{first}.json").read_bytes()
    assert listing.get("/api/backtests/latest").json()["run_id"] == second
    assert listing.post("/api/backtests/run", json=BODY).json()["reused_from"] == first
    assert listing.get("/api/backtests/latest").content == stored
    items = listing.get("/api/backtests/history").json()["items"]
    assert [(item["run_id"], item["reused_from"]) for item in items] == [(first, first), (second, None), (first, None)]
    assert (data_root / f"results/{first}.json").read_bytes() == stored


@pytest.mark.parametrize("fields", [{}, {"fee_rate": 0.002}])
def test_fresh_and_different_backtests_are_run(
    client: TestClient, orchestrator: FakeOrchestrator, computed: str, data_root: Path, fields: dict[str, Any]
) -> None:
    """?fresh=true never reuses a stored result, and a different spec has none."""

    def finish(task_id: str) -> None:
        store_result(data_root, task_id)
        orchestrator.move(task_id, "completed", 1.0)

    orchestrator.then = finish
    response = client.post("/api/backtests/run", params={"fresh": not fields}, json={**BODY, **fields})
    assert response.json()["run_id"] != computed
    assert response.json()["reused_from"] is None
    assert len(orchestrator.submitted) == 1


def test_async_submission_never_reuses_a_result(
    client: TestClient, orchestrator: FakeOrchestrator, computed: str
) -> None:
    """Every task is a run."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    assert task_id != computed
    assert len(orchestrator.submitted) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [("CandlesNotFound", 404), ("LookAhead", 422), ("InvalidCandles", 422), ("StorageFull", 507), (None, 500)],
)
def test_failed_run_returns_the_status_code_of_its_error(
    client: TestClient, orchestrator: FakeOrchestrator, kind: str | None, status: int
) -> None:
    """The error class of the run determines the status code; the body contains the run id."""
    orchestrator.outcome = replace(orchestrator.outcome, status="failed", error="the sentence", error_kind=kind)
    response = client.post("/api/backtests/run", json=BODY)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "the sentence"
    assert response.json()["task_id"] in orchestrator.tasks_by_id


@pytest.mark.parametrize(
    ("status", "timeouts"),
    [("queued", Timeouts(queued_s=0.05, ended_s=60)), ("running", Timeouts(queued_s=60, ended_s=0.05))],
)
def test_run_that_takes_too_long_is_503_with_its_task_id(
    orchestrator: FakeOrchestrator, candles: CandleCatalog, status: Status, timeouts: Timeouts
) -> None:
    """A run that does not start or does not end in time is left to polling."""
    assert candles
    orchestrator.outcome = replace(orchestrator.outcome, status=status)
    with client_of(orchestrator, timeouts) as client:
        response = client.post("/api/backtests/run", params={"fresh": True}, json=BODY)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    task_id = response.json()["task_id"]
    assert response.json()["detail"] == (
        f"the backtest is still {status}; poll /api/backtests/status/{task_id} for its result"
    )
    assert orchestrator.tasks_by_id[task_id].status == status


def test_run_may_take_longer_once_it_has_started(
    orchestrator: FakeOrchestrator, candles: CandleCatalog, data_root: Path
) -> None:
    """A run that starts in time may take longer than the limit for queued runs."""
    assert candles
    timeouts = Timeouts(queued_s=0.2, ended_s=60)

    def run(task_id: str) -> None:
        orchestrator.move(task_id, "running")
        store_result(data_root, task_id)
        Timer(2 * timeouts.queued_s, orchestrator.move, (task_id, "completed", 1.0)).start()

    orchestrator.then = run
    with client_of(orchestrator, timeouts) as client:
        assert client.post("/api/backtests/run", params={"fresh": True}, json=BODY).status_code == 200


def test_outage_during_a_synchronous_run_is_tolerated(
    orchestrator: FakeOrchestrator, candles: CandleCatalog, data_root: Path
) -> None:
    """The run continues while the database is unavailable."""
    assert candles

    def fail_for_a_while(task_id: str) -> None:
        orchestrator.down = True
        store_result(data_root, task_id)
        orchestrator.move(task_id, "completed", 1.0)
        Timer(0.1, setattr, (orchestrator, "down", False)).start()

    orchestrator.then = fail_for_a_while
    with client_of(orchestrator) as client:
        assert client.post("/api/backtests/run", params={"fresh": True}, json=BODY).status_code == 200


@pytest.mark.parametrize("path", ["run?fresh=true", "run-async"])
def test_full_queue_is_429_and_stores_nothing(client: TestClient, orchestrator: FakeOrchestrator, path: str) -> None:
    """The response states queue length, limit and remedy; once a run has started, there is room again."""
    orchestrator.max_queued = 1
    first = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.post(f"/api/backtests/{path}", json=BODY)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "5"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == (
        "the queue is full: 1 waiting, limit 1; submit again when some runs have started, or raise COIN_MAX_QUEUED"
    )
    assert set(orchestrator.tasks_by_id) == {first}
    orchestrator.move(first, "running")
    assert client.post("/api/backtests/run-async", json=BODY).status_code == 202


@pytest.mark.parametrize(("headers", "params"), [({"Idempotency-Key": "k1"}, {}), ({}, {"task_id": str(uuid.uuid4())})])
def test_repeated_submission_returns_its_task_even_if_the_queue_is_full(
    client: TestClient, orchestrator: FakeOrchestrator, headers: dict[str, str], params: dict[str, str]
) -> None:
    """It needs no room; the same key or id with a different body is 409."""
    orchestrator.max_queued = 1
    sent: dict[str, Any] = {"headers": headers, "params": params}
    first, second = (client.post("/api/backtests/run-async", json=BODY, **sent) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    other = client.post("/api/backtests/run-async", json={**BODY, "fee_rate": 0.002}, **sent)
    assert other.status_code == 409
    assert first.json()["task_id"] in other.json()["detail"]
    assert len(orchestrator.submitted) == 1


def test_client_may_choose_the_task_id(client: TestClient) -> None:
    """The task has the requested id, in canonical UUID form."""
    task_id = str(uuid.uuid4())
    response = client.post("/api/backtests/run-async", params={"task_id": task_id.upper()}, json=BODY)
    assert response.json()["task_id"] == task_id
    assert response.headers["Location"] == f"/api/backtests/status/{task_id}"


@pytest.mark.parametrize(
    ("task_id", "headers", "fields"),
    [
        ("nothing", {}, ["task_id"]),
        ("../../etc/passwd", {}, ["task_id"]),
        ("8f0c4b86-3f6e-4d0a-9d5c-6a4f0b1d2e3f", {"Idempotency-Key": "k1"}, ["task_id", "Idempotency-Key"]),
    ],
)
@pytest.mark.parametrize("path", ["/api/backtests/run-async", "/api/sweeps"])
def test_task_id_must_be_a_uuid_without_an_idempotency_key(
    client: TestClient,
    orchestrator: FakeOrchestrator,
    path: str,
    task_id: str,
    headers: dict[str, str],
    fields: list[str],
) -> None:
    """422 names the invalid field, or both if both are sent."""
    body = {**BODY, "space": {"volume_window": "5:60:5"}} if path == "/api/sweeps" else BODY
    response = client.post(path, params={"task_id": task_id}, headers=headers, json=body)
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["errors"]] == fields
    assert orchestrator.submitted == []


@pytest.mark.parametrize(
    ("path", "extra", "fields"),
    [
        ("/api/backtests/run-async", {}, ["end_date", "params.num_bins", "params.windw"]),
        ("/api/backtests/run-async", {"strategy": "volume_zone"}, ["end_date", "strategy"]),
        ("/api/backtests/run-async", {"params": [1]}, ["end_date", "params"]),
        ("/api/sweeps", {"space": {"volume_window": "5:60:5"}}, ["end_date", "params.num_bins", "params.windw"]),
    ],
)
def test_all_problems_are_reported_at_once(
    client: TestClient, path: str, extra: dict[str, Any], fields: list[str]
) -> None:
    """Those of the request, and those that only its strategy knows."""
    body = {**BODY, "end_date": "tomorrow", "params": {"num_bins": 10**30, "windw": 1}, **extra}
    response = client.post(path, json=body)
    assert response.status_code == 422
    assert sorted(problem["field"] for problem in response.json()["errors"]) == fields


def test_symbols_without_candles_are_404_before_a_run_is_launched(
    client: TestClient, orchestrator: FakeOrchestrator
) -> None:
    """The response names each symbol and what is stored for it."""
    body = {**BODY, "symbols": ["AAA_KRW", "ZZZ_KRW"], "start_date": "2030-01-01", "end_date": "2030-02-01"}
    response = client.post("/api/backtests/run", json=body)
    assert response.status_code == 404
    assert "ZZZ_KRW (nothing stored;" in response.json()["detail"]
    assert "AAA_KRW (stored: 1d 2023-01-01..2024-12-31;" in response.json()["detail"]
    assert orchestrator.submitted == []


@pytest.mark.parametrize("path", ["run", "run-async"])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"symbols": ["../../etc/passwd"]}, "symbols"),
        ({"params": {"volume_window": -1}}, "params.volume_window"),
        ({"params": {"window": 1}}, "params.window"),
        ({"strategy": "volume_zone_breakut"}, "strategy"),
        ({"start_date": "2025-01-01"}, "end_date"),
        ({"symbols": "AAA_KRW"}, "symbols"),
        ({"leverage": 2}, "leverage"),
        ({"symbols": ["AAA_EUR"], "tick_sizes": "upbit"}, "tick_sizes"),
        ({"symbols": ["AAA_KRW", "BBB_USDT"], "max_positions": 2}, "max_positions"),
        ({"timezone": "KST"}, "timezone"),
        ({"timezone": "x" * 100_000}, "timezone"),
    ],
)
def test_invalid_field_is_422_and_named(
    client: TestClient, orchestrator: FakeOrchestrator, path: str, fields: dict[str, Any], field: str
) -> None:
    """Both endpoints apply the same rules and name the field; nothing is launched."""
    response = client.post(f"/api/backtests/{path}", json={**BODY, **fields})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == field
    assert response.json()["detail"]
    assert orchestrator.submitted == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"fee_rate": 1e999}', b"\xff\xfe", b'"\\ud800"'])
def test_malformed_bodies_are_422(client: TestClient, body: bytes) -> None:
    """Broken JSON, other JSON and broken text are refused in the same format."""
    response = client.post("/api/backtests/run-async", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].isidentifier()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"strategy": "a", "symbols": ["B"], "strategy": "b"}', "strategy"),
        (b'{"strategy": "a", "params": {"window": 1, "window": 2}}', "window"),
        (b'{"strategy": "a", "str\\u0061tegy": "b"}', "strategy"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\\ud800"),
    ],
    ids=["top", "nested", "escaped", "half of a surrogate pair"],
)
def test_repeated_keys_are_422(client: TestClient, orchestrator: FakeOrchestrator, body: bytes, key: str) -> None:
    """Two programs would read them differently; the message names the key."""
    for path in ("/api/backtests/run", "/api/backtests/run-async", "/api/sweeps", "/api/candles/refresh"):
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 422
        assert response.json()["errors"] == [{"field": key, "message": "occurs more than once; send each key once"}]
    assert orchestrator.submitted == []


def test_large_body_is_413(client: TestClient) -> None:
    """A body over the limit is refused, whether its length is declared or it is streamed."""
    content = b"x" * (MAX_BODY_BYTES + 1)
    for body in (content, iter([content[:-1], content[-1:]])):
        response = client.post("/api/backtests/run-async", content=body)
        assert response.status_code == 413
        assert "larger than" in response.json()["detail"]


def test_unavailable_orchestrator_is_503(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A submission that could not be stored is never acknowledged."""
    orchestrator.down = True
    response = client.post("/api/backtests/run-async", json=BODY)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "the orchestrator cannot accept work" in response.json()["detail"]


def test_stored_result_is_returned_byte_for_byte(client: TestClient, data_root: Path) -> None:
    """GET returns the file in results/, whatever wrote it."""
    document = store_result(data_root, "20241104_1030")
    assert client.get("/api/backtests/20241104_1030").content == document


@pytest.mark.parametrize("run_id", ["00000000-0000-0000-0000-000000000000", "nothing"])
def test_unknown_ids_are_404(client: TestClient, run_id: str) -> None:
    """An unknown id is neither a result nor a task."""
    for path in (f"/api/backtests/{run_id}", f"/api/backtests/status/{run_id}"):
        response = client.get(path)
        assert response.status_code == 404
        assert run_id in response.json()["detail"]


def test_path_traversal_in_ids_is_404(client: TestClient) -> None:
    """An id that is a path is refused, never followed."""
    for run_id in ("..%2F..%2Fetc%2Fpasswd", "%00", "a%2Fb"):
        assert client.get(f"/api/backtests/{run_id}").status_code == 404
    assert client.get("/api/backtests/a.b").status_code == 404


def test_task_without_a_result_is_404_with_its_status(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The response states that the task is known, its status, and where to look."""
    orchestrator.outcome = replace(orchestrator.outcome, status="failed", error="no candles", finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.get(f"/api/backtests/{task_id}")
    assert response.status_code == 404
    assert response.json()["detail"] == f"task {task_id} is failed: no candles; see /api/backtests/status/{task_id}"


def test_many_unknown_params_are_refused_quickly(client: TestClient) -> None:
    """A huge params object costs neither time nor a huge response."""
    body = {**BODY, "params": {f"p{i}": i for i in range(30_000)}}
    response = client.post("/api/backtests/run", json=body)
    assert response.status_code == 422
    assert len(response.content) < 2_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [*BODY, "params", "timeframe", "fill", "fee_rate", "slippage_rate", "timezone", "initial_cash", "tick_sizes"]
    ),
    JSON,
)
def test_no_value_of_any_field_is_a_server_error(client: TestClient, name: str, value: object) -> None:
    """Whatever JSON a field contains, the submission is accepted or the response names the problem."""
    content = json.dumps({**BODY, name: value}).encode()
    response = client.post("/api/backtests/run-async", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {202, 422}


@pytest.mark.parametrize(
    ("content", "media_type", "message"),
    [
        (b"{bad", "application/json", "body: is not valid JSON: Expecting property name"),
        (b"{}", "text/plain", "body: was not sent as a JSON object; send one with the header Content-Type"),
    ],
)
def test_non_json_body_names_the_remedy(client: TestClient, content: bytes, media_type: str, message: str) -> None:
    """The message explains what to send."""
    response = client.post("/api/backtests/run-async", content=content, headers={"Content-Type": media_type})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(message)
