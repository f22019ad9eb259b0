"""The list of tasks over HTTP."""

import pytest
from fastapi.testclient import TestClient

from tests.api.test_service import BODY
from tests.fakes import FakeOrchestrator


def test_active_tasks_are_listed_first(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A sweep that has ended follows a backtest that has not, though it was submitted later."""
    backtest = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    space = {"volume_window": "5:7:1"}
    sweep = client.post("/api/sweeps", json={**BODY, "space": space}).json()["task_id"]
    orchestrator.move(backtest, "running", 0.5)
    orchestrator.move(sweep, "failed", error="no candles")
    answer = client.get("/api/tasks").json()
    assert answer["count"] == 2
    first, second = answer["items"]
    expected = {"task_id": backtest, "job": "backtest", "status": "running", "progress": 0.5, "timeframe": "1d"}
    assert first.items() >= {**expected, "strategy": "volume_zone_breakout", "error": None}.items()
    assert second.items() >= {"task_id": sweep, "job": "sweep", "error": "no candles"}.items()


@pytest.mark.parametrize("limit", [0, 101])
def test_limit_is_bounded(client: TestClient, limit: int) -> None:
    """The list is as long as a page."""
    assert client.get("/api/tasks", params={"limit": limit}).status_code == 422


def test_database_outage_is_reported(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """As by every other route."""
    orchestrator.down = True
    assert client.get("/api/tasks").status_code == 503
