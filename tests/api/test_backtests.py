"""Submitting, following and fetching backtests over HTTP."""

import json
import uuid
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
from coin_api.middleware import MAX_BODY_BYTES
from coin_api.schemas import Status
from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from tests.api.conftest import client_of
from tests.fakes import NOW, FakeOrchestrator

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}


def store_result(data_root: Path, run_id: str) -> bytes:
    """Store a document as a finished run would."""
    document = json.dumps({"run_id": run_id, "symbols": []}).encode()
    (data_root / "results").mkdir(exist_ok=True)
    (data_root / f"results/{run_id}.json").write_bytes(document)
    return document


def test_run_async_accepts_and_says_where_to_look(client: TestClient, runs: FakeOrchestrator) -> None:
    """202 with task id, status and time; Location and Retry-After lead the poller."""
    answer = client.post("/api/backtests/run-async", json=BODY)
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    assert answer.json() == {"task_id": task_id, "status": "queued", "created_at": "2024-11-04T10:30:45.123456Z"}
    assert answer.headers["Location"] == f"/api/backtests/status/{task_id}"
    assert answer.headers["Retry-After"] == "1"
    assert runs.submitted[0][1:] == ("tasks", None)
    assert str(uuid.UUID(task_id)) == task_id


def test_too_few_candles_are_404_with_both_remedies_unless_accepted(
    client: TestClient, runs: FakeOrchestrator, candles: CandleCatalog
) -> None:
    """A sync request is refused at once, also for gaps that no footer shows; a lower share is handed on."""
    daily = parse_timeframe("1d")
    frame = synthetic_candles(3, daily, date(2024, 1, 1), 366)
    candles.merge("HOLE_KRW", daily, frame[frame.index % 4 != 2])
    body = {**BODY, "symbols": ["HOLE_KRW"]}
    answer = client.post("/api/backtests/run", json=body)
    assert (answer.status_code, runs.submitted) == (404, [])
    detail = answer.json()["detail"]
    assert "HOLE_KRW (366 candles expected, 275 there, 91 not fetched" in detail
    assert "'coin candles get HOLE_KRW --timeframe 1d --from 2024-01-01 --to 2024-12-31'" in detail
    assert "min_coverage=0.75" in detail
    client.post("/api/backtests/run-async", json={**body, "min_coverage": 0.5})
    assert runs.submitted[0][0].min_coverage == 0.5
    assert client.post("/api/backtests/run-async", json={**body, "min_coverage": 2}).status_code == 422


def test_the_idempotency_key_is_handed_on(client: TestClient, runs: FakeOrchestrator) -> None:
    """The header reaches the orchestrator, which decides the run's id by it."""
    client.post("/api/backtests/run-async", json=BODY, headers={"Idempotency-Key": "k1"})
    assert runs.submitted[0][2] == "k1"


def test_status_of_a_queued_task(client: TestClient) -> None:
    """A task that has not begun has neither result nor error."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    answer = client.get(f"/api/backtests/status/{task_id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "task_id": task_id,
        "status": "queued",
        "progress": 0.0,
        "result": None,
        "error": None,
        "created_at": "2024-11-04T10:30:45.123456Z",
        "started_at": None,
        "finished_at": None,
        "dagster_url": f"http://ui/runs/{task_id}",
    }


@pytest.mark.parametrize(("age_s", "seconds"), [(-3600, "1"), (0, "1"), (15, "1"), (47, "4"), (100, "10"), (9e6, "10")])
def test_pollers_come_back_after_a_tenth_of_the_age_of_the_task(
    client: TestClient, runs: FakeOrchestrator, age_s: float, seconds: str
) -> None:
    """Retry-After is of whole seconds from 1 to 10, whatever the clocks say."""
    runs.outcome = replace(runs.outcome, created_at=datetime.now(UTC) - timedelta(seconds=age_s))
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    assert client.get(f"/api/backtests/status/{task_id}").headers["Retry-After"] == seconds


def test_status_of_a_completed_task_carries_the_result(
    client: TestClient, runs: FakeOrchestrator, data_root: Path
) -> None:
    """Once completed, the stored document is in the answer."""
    runs.outcome = replace(runs.outcome, status="completed", progress=1.0, finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    store_result(data_root, task_id)
    answer = client.get(f"/api/backtests/status/{task_id}")
    assert answer.json()["result"] == {"run_id": task_id, "symbols": [], "reused_from": None}
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("path", ["/api/backtests/status/{}", "/api/backtests/{}"])
def test_a_completed_task_whose_result_has_expired_is_unknown(
    client: TestClient, runs: FakeOrchestrator, path: str
) -> None:
    """For the moment in which its files are gone and its run is not yet; after that the run is unknown too."""
    runs.outcome = replace(runs.outcome, status="completed", progress=1.0, finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    answer = client.get(path.format(task_id))
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"no result or task has the id '{task_id}'; it may have expired"


def test_status_of_a_failed_task_is_200_with_its_error(client: TestClient, runs: FakeOrchestrator) -> None:
    """That a run failed is an answer, not an error of the request."""
    runs.outcome = replace(runs.outcome, status="failed", error="no candles", finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    answer = client.get(f"/api/backtests/status/{task_id}")
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (200, "failed", "no candles")


def test_run_waits_for_the_run_and_returns_its_document(
    client: TestClient, runs: FakeOrchestrator, data_root: Path
) -> None:
    """The synchronous answer is the stored document, which is not reused."""

    def finish(task_id: str) -> None:
        store_result(data_root, task_id)
        runs.move(task_id, "completed", 1.0)

    runs.then = finish
    answer = client.post("/api/backtests/run", json=BODY)
    assert answer.status_code == 200
    assert answer.json() == {"run_id": answer.json()["run_id"], "symbols": [], "reused_from": None}
    assert runs.submitted[0][1] == "results"


@pytest.fixture
def computed(client: TestClient, candles: CandleCatalog, data_root: Path) -> str:
    """The run whose stored result is that of BODY."""
    assert client
    registry, run_id = load_registry(), str(uuid.uuid4())
    pieces = runner.find_candles(candles, resolve(parse_request(BODY), registry), "results")
    parts = [runner.simulate_symbol(candles, registry, piece) for piece in pieces]
    store, result = LocalStore(data_root), runner.assemble_result(run_id, parts, candles, registry, "test", NOW)
    publish_result(store, backtest_files(result))
    return run_id


def test_an_identical_submission_is_answered_with_the_stored_result(
    client: TestClient, runs: FakeOrchestrator, computed: str, data_root: Path
) -> None:
    """No run is launched; run_id and reused_from name the one that computed it, and the document says no more."""
    answer = client.post("/api/backtests/run", json={**BODY, "symbols": ["KRW-AAA"]})
    assert answer.status_code == 200
    assert runs.submitted == []
    stored = json.loads((data_root / f"results/{computed}.json").read_bytes())
    assert answer.json() == {**stored, "reused_from": computed}
    assert stored["run_id"] == computed
    assert "reused_from" not in client.get(f"/api/backtests/{computed}").json()


@pytest.mark.parametrize("fields", [{}, {"fee_rate": 0.002}])
def test_fresh_and_other_submissions_are_run(
    client: TestClient, runs: FakeOrchestrator, computed: str, data_root: Path, fields: dict[str, Any]
) -> None:
    """?fresh=true never takes a stored result, and another spec finds none."""

    def finish(task_id: str) -> None:
        store_result(data_root, task_id)
        runs.move(task_id, "completed", 1.0)

    runs.then = finish
    answer = client.post("/api/backtests/run", params={"fresh": not fields}, json={**BODY, **fields})
    assert answer.json()["run_id"] != computed
    assert answer.json()["reused_from"] is None
    assert len(runs.submitted) == 1


def test_an_async_submission_is_always_a_run_of_its_own(
    client: TestClient, runs: FakeOrchestrator, computed: str
) -> None:
    """A task is the promise of a run."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    assert task_id != computed
    assert len(runs.submitted) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [("CandlesNotFound", 404), ("LookAhead", 422), ("InvalidCandles", 422), ("StorageFull", 507), (None, 500)],
)
def test_run_that_fails_answers_with_the_code_of_its_error(
    client: TestClient, runs: FakeOrchestrator, kind: str | None, status: int
) -> None:
    """What ended the run decides the status code; the run's id is in the body."""
    runs.outcome = replace(runs.outcome, status="failed", error="the sentence", error_kind=kind)
    answer = client.post("/api/backtests/run", json=BODY)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "the sentence"
    assert answer.json()["task_id"] in runs.tasks_by_id


@pytest.mark.parametrize(
    ("status", "patience"),
    [("queued", Timeouts(queued_s=0.05, ended_s=60)), ("running", Timeouts(queued_s=60, ended_s=0.05))],
)
def test_run_that_takes_too_long_is_handed_over_to_polling(
    runs: FakeOrchestrator, candles: CandleCatalog, status: Status, patience: Timeouts
) -> None:
    """A request is held neither for a run that does not begin nor for one that does not end: 503, its id to poll."""
    assert candles
    runs.outcome = replace(runs.outcome, status=status)
    with client_of(runs, patience) as client:
        answer = client.post("/api/backtests/run", params={"fresh": True}, json=BODY)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    task_id = answer.json()["task_id"]
    assert answer.json()["detail"] == (
        f"the backtest is still {status}; poll /api/backtests/status/{task_id} for its result"
    )
    assert runs.tasks_by_id[task_id].status == status


def test_run_may_take_longer_once_it_has_begun(runs: FakeOrchestrator, candles: CandleCatalog, data_root: Path) -> None:
    """A run that begins in time is waited for beyond the time that a queued one is given."""
    assert candles
    patience = Timeouts(queued_s=0.2, ended_s=60)

    def run(task_id: str) -> None:
        runs.move(task_id, "running")
        store_result(data_root, task_id)
        Timer(2 * patience.queued_s, runs.move, (task_id, "completed", 1.0)).start()

    runs.then = run
    with client_of(runs, patience) as client:
        assert client.post("/api/backtests/run", params={"fresh": True}, json=BODY).status_code == 200


def test_an_outage_while_a_run_is_waited_for_is_waited_out(
    runs: FakeOrchestrator, candles: CandleCatalog, data_root: Path
) -> None:
    """That the database is away says nothing of the run."""
    assert candles

    def fail_for_a_while(task_id: str) -> None:
        runs.down = True
        store_result(data_root, task_id)
        runs.move(task_id, "completed", 1.0)
        Timer(0.1, setattr, (runs, "down", False)).start()

    runs.then = fail_for_a_while
    with client_of(runs) as client:
        assert client.post("/api/backtests/run", params={"fresh": True}, json=BODY).status_code == 200


@pytest.mark.parametrize("path", ["run?fresh=true", "run-async"])
def test_a_full_queue_is_429_and_stores_nothing(client: TestClient, runs: FakeOrchestrator, path: str) -> None:
    """The answer says how many wait, what the limit is and what to do; when some have begun, there is room again."""
    runs.max_queued = 1
    first = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    answer = client.post(f"/api/backtests/{path}", json=BODY)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        "the queue is full: 1 waiting, limit 1; submit again when some runs have started, or raise COIN_MAX_QUEUED"
    )
    assert set(runs.tasks_by_id) == {first}
    runs.move(first, "running")
    assert client.post("/api/backtests/run-async", json=BODY).status_code == 202


@pytest.mark.parametrize(("headers", "params"), [({"Idempotency-Key": "k1"}, {}), ({}, {"task_id": str(uuid.uuid4())})])
def test_a_repeated_submission_finds_its_task_even_when_the_queue_is_full(
    client: TestClient, runs: FakeOrchestrator, headers: dict[str, str], params: dict[str, str]
) -> None:
    """It asks for no more room; the same key, or id, with another body is 409."""
    runs.max_queued = 1
    sent: dict[str, Any] = {"headers": headers, "params": params}
    first, second = (client.post("/api/backtests/run-async", json=BODY, **sent) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    other = client.post("/api/backtests/run-async", json={**BODY, "fee_rate": 0.002}, **sent)
    assert other.status_code == 409
    assert first.json()["task_id"] in other.json()["detail"]
    assert len(runs.submitted) == 1


def test_the_client_may_choose_the_task_id(client: TestClient) -> None:
    """The task has the id that was asked for, in the one way of writing a UUID."""
    task_id = str(uuid.uuid4())
    answer = client.post("/api/backtests/run-async", params={"task_id": task_id.upper()}, json=BODY)
    assert answer.json()["task_id"] == task_id
    assert answer.headers["Location"] == f"/api/backtests/status/{task_id}"


@pytest.mark.parametrize(
    ("task_id", "headers", "fields"),
    [
        ("nothing", {}, ["task_id"]),
        ("../../etc/passwd", {}, ["task_id"]),
        ("8f0c4b86-3f6e-4d0a-9d5c-6a4f0b1d2e3f", {"Idempotency-Key": "k1"}, ["task_id", "Idempotency-Key"]),
    ],
)
@pytest.mark.parametrize("path", ["/api/backtests/run-async", "/api/sweeps"])
def test_a_task_id_is_a_uuid_and_comes_without_a_key(
    client: TestClient, runs: FakeOrchestrator, path: str, task_id: str, headers: dict[str, str], fields: list[str]
) -> None:
    """422 names what is wrong, both where both decide the id."""
    body = {**BODY, "space": {"volume_window": "5:60:5"}} if path == "/api/sweeps" else BODY
    answer = client.post(path, params={"task_id": task_id}, headers=headers, json=body)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["errors"]] == fields
    assert runs.submitted == []


def test_symbols_without_candles_are_named_before_a_run_is_launched(client: TestClient, runs: FakeOrchestrator) -> None:
    """404 names each symbol and what is stored for it, and nothing is launched."""
    body = {**BODY, "symbols": ["AAA_KRW", "ZZZ_KRW"], "start_date": "2030-01-01", "end_date": "2030-02-01"}
    answer = client.post("/api/backtests/run", json=body)
    assert answer.status_code == 404
    assert "ZZZ_KRW (nothing stored)" in answer.json()["detail"]
    assert "AAA_KRW (stored: 1d 2023-01-01..2024-12-31)" in answer.json()["detail"]
    assert runs.submitted == []


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
    ],
)
def test_a_wrong_field_is_422_and_named(
    client: TestClient, runs: FakeOrchestrator, path: str, fields: dict[str, Any], field: str
) -> None:
    """Both ways in check the same rules, and name the field; nothing is launched."""
    answer = client.post(f"/api/backtests/{path}", json={**BODY, **fields})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["detail"]
    assert runs.submitted == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"fee_rate": 1e999}', b"\xff\xfe", b'"\\ud800"'])
def test_bodies_that_are_no_request_are_422(client: TestClient, body: bytes) -> None:
    """Broken JSON, other JSON and broken text are refused in the same shape."""
    answer = client.post("/api/backtests/run-async", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].isidentifier()


def test_a_large_body_is_413(client: TestClient) -> None:
    """More than the limit is refused, declared or streamed."""
    content = b"x" * (MAX_BODY_BYTES + 1)
    for body in (content, iter([content[:-1], content[-1:]])):
        answer = client.post("/api/backtests/run-async", content=body)
        assert answer.status_code == 413
        assert "larger than" in answer.json()["detail"]


def test_an_orchestrator_that_is_down_is_503(client: TestClient, runs: FakeOrchestrator) -> None:
    """A submission that could not be stored is never acknowledged."""
    runs.down = True
    answer = client.post("/api/backtests/run-async", json=BODY)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "code server" in answer.json()["detail"]


def test_a_stored_result_is_returned_byte_for_byte(client: TestClient, data_root: Path) -> None:
    """GET returns what lies in results/, whatever wrote it."""
    document = store_result(data_root, "20241104_1030")
    assert client.get("/api/backtests/20241104_1030").content == document


@pytest.mark.parametrize("run_id", ["00000000-0000-0000-0000-000000000000", "nothing"])
def test_unknown_ids_are_404(client: TestClient, run_id: str) -> None:
    """Neither a result nor a task is made up."""
    for path in (f"/api/backtests/{run_id}", f"/api/backtests/status/{run_id}"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert run_id in answer.json()["detail"]


def test_path_tricks_in_ids_find_nothing(client: TestClient) -> None:
    """An id that is a path is refused, never followed."""
    for run_id in ("..%2F..%2Fetc%2Fpasswd", "%00", "a%2Fb"):
        assert client.get(f"/api/backtests/{run_id}").status_code == 404
    assert client.get("/api/backtests/a.b").status_code == 404


def test_a_task_without_a_result_says_so(client: TestClient, runs: FakeOrchestrator) -> None:
    """404 tells that the task is known, how it stands, and where to look."""
    runs.outcome = replace(runs.outcome, status="failed", error="no candles", finished_at=NOW)
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    answer = client.get(f"/api/backtests/{task_id}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"task {task_id} is failed: no candles; see /api/backtests/status/{task_id}"


def test_many_unknown_params_are_refused_at_once(client: TestClient) -> None:
    """A huge params object costs neither time nor a huge answer."""
    body = {**BODY, "params": {f"p{i}": i for i in range(30_000)}}
    answer = client.post("/api/backtests/run", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 2_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*BODY, "params", "timeframe", "fill", "fee_rate", "slippage_rate"]), JSON)
def test_no_value_of_any_field_is_a_server_error(client: TestClient, name: str, value: object) -> None:
    """Whatever JSON a field holds, the answer is an acceptance or names what is wrong."""
    content = json.dumps({**BODY, name: value}).encode()
    answer = client.post("/api/backtests/run-async", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {202, 422}


@pytest.mark.parametrize(
    ("content", "media_type", "says"),
    [
        (b"{bad", "application/json", "body: is no JSON: Expecting property name"),
        (b"{}", "text/plain", "body: is not read as a JSON object; send one, with the header Content-Type"),
    ],
)
def test_a_body_that_is_no_json_is_told_what_to_send(
    client: TestClient, content: bytes, media_type: str, says: str
) -> None:
    """Forgotten headers and broken brackets are what curl is used with first."""
    answer = client.post("/api/backtests/run-async", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(says)
