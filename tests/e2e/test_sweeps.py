"""Sweeps and cancellation on the running platform."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from coin_pipeline.sweeps.trials import trials_digest
from tests.platforms import BACKTEST, Platform, follow, run_process, submit_backtest, wait_for_process, wait_until

SWEEP: dict[str, Any] = {**BACKTEST, "space": {"volume_window": "5:60:1", "top_percentile": [0.1, 0.2, 0.3]}}
SLOW_SWEEP: dict[str, Any] = {**BACKTEST, "strategy": "steady", "space": {"every": "2:901:1"}}


def test_sweep_from_submission_to_trials(platform: Platform) -> None:
    """202 with the number of points, then progress and ETA; result and trials equal the stored files."""
    headers = {"Idempotency-Key": "one-sweep"}
    answer = platform.api.post("/api/sweeps", json=SWEEP, headers=headers)
    assert answer.status_code == 202, answer.text
    task_id = answer.json()["task_id"]
    assert (answer.json()["points"], answer.headers["Location"]) == (168, f"/api/sweeps/{task_id}")
    assert platform.api.post("/api/sweeps", json=SWEEP, headers=headers).json()["task_id"] == task_id
    assert platform.api.post("/api/sweeps", json={**SWEEP, "seed": 1}, headers=headers).json()["task_id"] == task_id
    other = platform.api.post("/api/sweeps", json={**SWEEP, "fee_rate": 0.0}, headers=headers)
    assert other.status_code == 409
    statuses = follow(platform.api, f"/api/sweeps/{task_id}")
    final = statuses[-1]
    assert final["status"] == "completed", final["error"]
    for figure in ("progress", "points_done"):
        assert [status[figure] for status in statuses] == sorted(status[figure] for status in statuses)
    assert (final["progress"], final["points"], final["points_done"], final["eta_seconds"]) == (1.0, 168, 168, None)
    assert final["points_per_second"] > 0
    assert final["result"] == json.loads((platform.root / "tasks" / task_id / "result.json").read_bytes())
    trials = platform.api.get(f"/api/sweeps/{task_id}/trials")
    assert trials.headers["Content-Disposition"] == f'attachment; filename="sweep_{task_id}.parquet"'
    assert trials_digest(pq.read_table(io.BytesIO(trials.content))) == final["result"]["trials"]["sha256"]
    assert platform.api.get(f"/api/backtests/status/{task_id}").status_code == 404
    assert platform.api.post(f"/api/sweeps/{task_id}/cancel").status_code == 409


def test_cancelled_sweep_stays_canceled(platform: Platform) -> None:
    """Its process ends within seconds, its manifest reports the cancellation, and its progress is kept."""
    task_id = platform.api.post("/api/sweeps", json=SLOW_SWEEP).json()["task_id"]
    status_url = f"/api/sweeps/{task_id}"
    wait_until(lambda: platform.api.get(status_url).json()["points_done"] > 0)
    running = platform.api.get(status_url).json()
    assert 0 < running["progress"] < 1
    assert running["eta_seconds"] > 0
    answer = platform.api.post(f"{status_url}/cancel")
    assert answer.status_code == 200, answer.text
    assert answer.json().items() >= {"task_id": task_id, "status": "cancelled"}.items()
    assert answer.json()["created_at"] == running["created_at"]
    assert platform.api.get(status_url).json()["status"] == "cancelled"
    wait_until(lambda: run_process(platform.root, task_id) is None, 10)
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    wait_until(manifest.exists)
    assert json.loads(manifest.read_bytes())["status"] == "cancelled"
    final = platform.api.get(status_url).json()
    assert (final["status"], final["result"], final["error"]) == ("cancelled", None, None)
    assert running["points_done"] <= final["points_done"] < final["points"] == 900
    assert final["finished_at"] > final["started_at"]
    assert platform.api.get(f"{status_url}/trials").status_code == 404
    repeated = platform.api.post(f"{status_url}/cancel")
    assert repeated.status_code == 409
    assert "already cancelled" in repeated.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_backtest_is_canceled_while_queued_or_running(platform: Platform, method: str) -> None:
    """Both routes of the API end it permanently."""
    task_id = submit_backtest(platform, strategy="slow")
    if method == "DELETE":
        wait_for_process(platform, task_id)
    path = f"/api/backtests/{task_id}/cancel" if method == "POST" else f"/api/backtests/tasks/{task_id}"
    answer = platform.api.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    wait_until((platform.root / "tasks" / task_id / "manifest.json").exists)
    wait_until(lambda: run_process(platform.root, task_id) is None, 10)
    assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "cancelled"
    assert platform.api.request(method, path).status_code == 409
