"""Submitting, following, fetching and cancelling sweeps over HTTP; cancelling backtests."""

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from coin_api.tasks import SweepPoints
from coin_pipeline.results.publish import publish_task
from coin_pipeline.storage.local import LocalStore
from tests.fakes import NOW, FakeOrchestrator

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
    "space": {"volume_window": "5:60:5", "top_percentile": [0.1, 0.2, 0.3]},
}
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def submitted(client: TestClient, path: str = "/api/sweeps") -> str:
    """Submit a sweep or a backtest and return its task id."""
    body = BODY if path == "/api/sweeps" else {name: value for name, value in BODY.items() if name != "space"}
    task_id: str = client.post(path, json=body).json()["task_id"]
    return task_id


def test_sweep_is_accepted_with_its_number_of_points(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The response has polling headers; the key reaches the orchestrator."""
    response = client.post("/api/sweeps", json=BODY, headers={"Idempotency-Key": "k1"})
    assert response.status_code == 202
    task_id = response.json()["task_id"]
    assert response.json() == {
        "task_id": task_id,
        "status": "queued",
        "created_at": "2024-11-04T10:30:45.123456Z",
        "report_url": f"/reports/{task_id}",
        "points": 36,
    }
    assert response.headers["Location"] == f"/api/sweeps/{task_id}"
    assert response.headers["Retry-After"] == "1"
    assert orchestrator.submitted[0][1].idempotency_key == "k1"
    assert str(uuid.UUID(task_id)) == task_id


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"space": {"volume_window": "0:5:1"}}, "space.volume_window=0", "greater than or equal to 1"),
        ({"space": {"nothing": "1"}}, "space.nothing", "cannot be swept"),
        ({"space": {}}, "space", "at least 1"),
        ({"space": {"volume_window": "5:500:1", "top_percentile": "0.001:0.9:0.001"}}, "space", '"confirm": true'),
        ({"search": "random"}, "trials", "the number of points to try"),
        ({"strategy": "volume_zone"}, "strategy", "did you mean"),
        ({"max_positions": 3}, "max_positions", "from its own account"),
        ({"workers": 3}, "workers", "is not a field"),
    ],
)
def test_invalid_field_is_422_and_named(
    client: TestClient, orchestrator: FakeOrchestrator, fields: dict[str, Any], field: str, words: str
) -> None:
    """Nothing is launched."""
    response = client.post("/api/sweeps", json={**BODY, **fields})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert words in response.json()["errors"][0]["message"]
    assert orchestrator.submitted == []


def test_preview_counts_points_and_submits_nothing(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A sweep above the limit needs to be confirmed, also if the request confirms it already."""
    large = {"space": {"volume_window": "1:500:1", "top_percentile": "0.001:0.9:0.001"}, "confirm": True}
    for fields, expected in (({}, (36, False)), (large, (450_000, True))):
        response = client.post("/api/sweeps/preview", json={**BODY, **fields})
        assert response.status_code == 200
        assert response.json() == dict(zip(("points", "needs_confirmation"), expected, strict=True))
    assert orchestrator.submitted == []


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"space": {"volume_window": "0:5:1"}}, "space.volume_window=0", "greater than or equal to 1"),
        ({"search": "random", "trials": 10_000_001}, "trials", "10000000"),
        (
            {"space": {"volume_window": "1:500:1", "top_percentile": "0.00001:0.9:0.00001"}},
            "space",
            "limit of 10,000,000",
        ),
    ],
)
def test_preview_of_an_invalid_sweep(client: TestClient, fields: dict[str, Any], field: str, words: str) -> None:
    """The errors are those of a submission."""
    response = client.post("/api/sweeps/preview", json={**BODY, **fields})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert words in response.json()["errors"][0]["message"]


def test_status_of_a_running_sweep(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It has points, rate and ETA in addition to the fields of every task."""
    orchestrator.outcome = replace(
        orchestrator.outcome, status="running", progress=0.25, points=SweepPoints(36, 9, 4.5, 6.0), started_at=NOW
    )
    task_id = submitted(client)
    response = client.get(f"/api/sweeps/{task_id}")
    assert response.headers["Retry-After"] == "10"
    assert response.json() == {
        "task_id": task_id,
        "status": "running",
        "progress": 0.25,
        "result": None,
        "error": None,
        "created_at": "2024-11-04T10:30:45.123456Z",
        "started_at": "2024-11-04T10:30:45.123456Z",
        "finished_at": None,
        "dagster_url": f"http://ui/runs/{task_id}",
        "report_url": f"/reports/{task_id}",
        "points": 36,
        "points_done": 9,
        "points_per_second": 4.5,
        "eta_seconds": 6.0,
    }


def test_finished_sweep_returns_its_document_and_its_trials(
    client: TestClient, orchestrator: FakeOrchestrator, data_root: Path
) -> None:
    """Both are byte for byte as stored."""
    orchestrator.outcome = replace(orchestrator.outcome, status="completed", progress=1.0, finished_at=NOW)
    task_id = submitted(client)
    files = {"trials.parquet": b"PAR1 rows", "result.json": json.dumps({"run_id": task_id, "points": 36}).encode()}
    publish_task(LocalStore(data_root), {"task_id": task_id, "status": "completed"}, files)
    assert client.get(f"/api/sweeps/{task_id}").json()["result"] == {"run_id": task_id, "points": 36}
    trials = client.get(f"/api/sweeps/{task_id}/trials")
    assert trials.content == b"PAR1 rows"
    assert trials.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert trials.headers["Content-Disposition"] == f'attachment; filename="sweep_{task_id}.parquet"'


def test_full_queue_and_task_id_behave_as_for_a_backtest(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A chosen id is used and found again; with a full queue, another sweep is 429."""
    orchestrator.max_queued = 1
    task_id = str(uuid.uuid4())
    for _ in range(2):
        response = client.post("/api/sweeps", params={"task_id": task_id}, json=BODY)
        assert (response.status_code, response.json()["task_id"]) == (202, task_id)
    assert client.post("/api/sweeps", json=BODY).status_code == 429
    other = client.post("/api/sweeps", params={"task_id": task_id}, json={**BODY, "fee_rate": 0.002})
    assert (other.status_code, task_id in other.json()["detail"]) == (409, True)


def test_trials_of_an_unfinished_sweep_are_404(client: TestClient) -> None:
    """The response states the status of the sweep and where to look."""
    task_id = submitted(client)
    response = client.get(f"/api/sweeps/{task_id}/trials")
    assert response.status_code == 404
    assert response.json()["detail"] == f"task {task_id} is queued; see /api/sweeps/{task_id}"


@pytest.mark.parametrize(
    ("path", "method", "cancel"),
    [
        ("/api/sweeps", "POST", "/api/sweeps/{}/cancel"),
        ("/api/backtests/run-async", "POST", "/api/backtests/{}/cancel"),
        ("/api/backtests/run-async", "DELETE", "/api/backtests/tasks/{}"),
    ],
)
def test_cancel_ends_a_task_once(client: TestClient, path: str, method: str, cancel: str) -> None:
    """The second time is 409; an unknown task and a task of the other kind are 404."""
    task_id = submitted(client, path)
    other = submitted(client, "/api/backtests/run-async" if path == "/api/sweeps" else "/api/sweeps")
    response = client.request(method, cancel.format(task_id))
    assert response.status_code == 200
    report_url = f"/reports/{task_id}"
    expected = {
        "task_id": task_id,
        "status": "cancelled",
        "created_at": "2024-11-04T10:30:45.123456Z",
        "report_url": report_url,
    }
    assert response.json() == expected
    again = client.request(method, cancel.format(task_id))
    assert (again.status_code, "already cancelled" in again.json()["detail"]) == (409, True)
    for unknown in (UNKNOWN, "nothing", other):
        assert client.request(method, cancel.format(unknown)).status_code == 404


@pytest.mark.parametrize("path", ["/api/sweeps/{}", "/api/sweeps/{}/trials"])
def test_unknown_sweeps_are_404(client: TestClient, path: str) -> None:
    """So is a backtest."""
    for task_id in (UNKNOWN, "nothing", submitted(client, "/api/backtests/run-async")):
        assert client.get(path.format(task_id)).status_code == 404


def test_root_lists_the_sweep_endpoints(client: TestClient) -> None:
    """Each has a description."""
    endpoints = client.get("/").json()["endpoints"]
    for endpoint in (
        "POST /api/sweeps",
        "POST /api/sweeps/preview",
        "GET /api/sweeps/{task_id}",
        "GET /api/sweeps/{task_id}/trials",
        "POST /api/sweeps/{task_id}/cancel",
        "POST /api/backtests/{task_id}/cancel",
        "DELETE /api/backtests/tasks/{task_id}",
    ):
        assert endpoints[endpoint]
