"""What the API does while asynchronous submissions are switched off."""

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
    client: TestClient, runs: FakeOrchestrator, path: str, body: dict[str, Any]
) -> None:
    """A problem that says so and when to come back, a repeated submission included; switched on, it is accepted."""
    assert client.post(path, json=body, headers=KEY).status_code == 202
    runs.switched_off = True
    answers = [client.post(path, json=body, headers=headers) for headers in ({}, KEY)]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Retry-After"] == "5"
        assert "asynchronous runs are switched off by the test" in answer.json()["detail"]
    assert len(runs.submitted) == 1
    runs.switched_off = False
    assert client.post(path, json=body).status_code == 202


def test_tasks_that_were_accepted_can_be_followed_and_cancelled(client: TestClient, runs: FakeOrchestrator) -> None:
    """Status and cancel do not mind."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    runs.switched_off = True
    assert client.get(f"/api/backtests/status/{task_id}").json()["status"] == "queued"
    assert client.post(f"/api/backtests/{task_id}/cancel").status_code == 200


def test_a_run_that_is_waited_for_is_launched(client: TestClient, runs: FakeOrchestrator) -> None:
    """POST run keeps working."""
    runs.switched_off = True
    runs.then = lambda task_id: runs.move(task_id, "failed", error="as the test says")
    answer = client.post("/api/backtests/run", json=BODY)
    assert "as the test says" in answer.json()["detail"]
    assert [shelf for _, shelf, _ in runs.submitted] == ["results"]
