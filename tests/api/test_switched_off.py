"""The API while asynchronous submissions are switched off."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.fakes import FakeOrchestrator

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}
SWEEP = {**BODY, "space": {"volume_window": "5:60:5"}}
KEY = {"Idempotency-Key": "k1"}


@pytest.mark.parametrize(("path", "body"), [("/api/backtests/run-async", BODY), ("/api/sweeps", SWEEP)])
def test_submissions_are_503_and_nothing_is_stored(
    client: TestClient, orchestrator: FakeOrchestrator, path: str, body: dict[str, Any]
) -> None:
    """This includes repeated submissions; once switched on again, they are accepted."""
    assert client.post(path, json=body, headers=KEY).status_code == 202
    orchestrator.async_disabled = True
    responses = [client.post(path, json=body, headers=headers) for headers in ({}, KEY)]
    for response in responses:
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Retry-After"] == "5"
        assert "asynchronous runs are switched off by the test" in response.json()["detail"]
    assert len(orchestrator.submitted) == 1
    orchestrator.async_disabled = False
    assert client.post(path, json=body).status_code == 202


def test_accepted_tasks_can_be_followed_and_cancelled(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Status and cancel are unaffected."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    orchestrator.async_disabled = True
    assert client.get(f"/api/backtests/status/{task_id}").json()["status"] == "queued"
    assert client.post(f"/api/backtests/{task_id}/cancel").status_code == 200


def test_synchronous_run_is_launched(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """POST run keeps working."""
    orchestrator.async_disabled = True
    orchestrator.then = lambda task_id: orchestrator.move(task_id, "failed", error="as the test specifies")
    response = client.post("/api/backtests/run", json=BODY)
    assert "as the test specifies" in response.json()["detail"]
    assert orchestrator.submitted[0][0].config["ops"]["load_candles"]["config"]["shelf"] == "results"
