"""Sweeps and cancellation on the running platform."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from coin_pipeline.sweeps.trials import trials_digest
from tests.e2e.conftest import Platform, process_of
from tests.e2e.test_platform import BODY, until

SWEEP: dict[str, Any] = {**BODY, "space": {"volume_window": "5:60:1", "top_percentile": [0.1, 0.2, 0.3]}}
SLOW_SWEEP: dict[str, Any] = {**BODY, "strategy": "steady", "space": {"every": "2:901:1"}}


def follow(platform: Platform, task_id: str) -> list[dict[str, Any]]:
    """Poll a sweep until it ends; return every status seen."""
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(platform.api.get(f"/api/sweeps/{task_id}").json())
        return seen[-1]["status"] not in {"queued", "running"}

    until(ended)
    return seen


def test_a_sweep_from_submission_to_trials(platform: Platform) -> None:
    """202 with the number of points; progress, rate and ETA; the result is the one on disk, the trials a file."""
    headers = {"Idempotency-Key": "one-sweep"}
    answer = platform.api.post("/api/sweeps", json=SWEEP, headers=headers)
    assert answer.status_code == 202, answer.text
    task_id = answer.json()["task_id"]
    assert (answer.json()["points"], answer.headers["Location"]) == (168, f"/api/sweeps/{task_id}")
    assert platform.api.post("/api/sweeps", json=SWEEP, headers=headers).json()["task_id"] == task_id
    assert platform.api.post("/api/sweeps", json={**SWEEP, "seed": 1}, headers=headers).json()["task_id"] == task_id
    other = platform.api.post("/api/sweeps", json={**SWEEP, "fee_rate": 0.0}, headers=headers)
    assert other.status_code == 409
    seen = follow(platform, task_id)
    last = seen[-1]
    assert last["status"] == "completed", last["error"]
    assert [s["progress"] for s in seen] == sorted(s["progress"] for s in seen)
    assert [s["points_done"] for s in seen] == sorted(s["points_done"] for s in seen)
    assert (last["progress"], last["points"], last["points_done"], last["eta_seconds"]) == (1.0, 168, 168, None)
    assert last["points_per_second"] > 0
    assert last["result"] == json.loads((platform.root / "tasks" / task_id / "result.json").read_bytes())
    trials = platform.api.get(f"/api/sweeps/{task_id}/trials")
    assert trials.headers["Content-Disposition"] == f'attachment; filename="sweep_{task_id}.parquet"'
    assert trials_digest(pq.read_table(io.BytesIO(trials.content))) == last["result"]["trials"]["sha256"]
    assert platform.api.get(f"/api/backtests/status/{task_id}").status_code == 404
    assert platform.api.post(f"/api/sweeps/{task_id}/cancel").status_code == 409


def test_a_sweep_that_is_cancelled_ends_and_stays_cancelled(platform: Platform) -> None:
    """Its process is gone within seconds, its manifest says so, and it tells how far it came."""
    task_id = platform.api.post("/api/sweeps", json=SLOW_SWEEP).json()["task_id"]
    until(lambda: platform.api.get(f"/api/sweeps/{task_id}").json()["points_done"] > 0)
    under_way = platform.api.get(f"/api/sweeps/{task_id}").json()
    assert 0 < under_way["progress"] < 1
    assert under_way["eta_seconds"] > 0
    answer = platform.api.post(f"/api/sweeps/{task_id}/cancel")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"task_id": task_id, "status": "cancelled", "created_at": under_way["created_at"]}
    assert platform.api.get(f"/api/sweeps/{task_id}").json()["status"] == "cancelled"
    until(lambda: process_of(platform.root, task_id) is None, 10)
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    until(manifest.exists)
    assert json.loads(manifest.read_bytes())["status"] == "cancelled"
    ended = platform.api.get(f"/api/sweeps/{task_id}").json()
    assert (ended["status"], ended["result"], ended["error"]) == ("cancelled", None, None)
    assert under_way["points_done"] <= ended["points_done"] < ended["points"] == 900
    assert ended["finished_at"] > ended["started_at"]
    assert platform.api.get(f"/api/sweeps/{task_id}/trials").status_code == 404
    again = platform.api.post(f"/api/sweeps/{task_id}/cancel")
    assert again.status_code == 409
    assert "cancelled already" in again.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_backtest_is_cancelled_queued_or_running(platform: Platform, method: str) -> None:
    """Both ways in end it for good."""
    task_id = platform.api.post("/api/backtests/run-async", json={**BODY, "strategy": "slow"}).json()["task_id"]
    if method == "DELETE":
        until(lambda: process_of(platform.root, task_id) is not None)
    path = f"/api/backtests/{task_id}/cancel" if method == "POST" else f"/api/backtests/tasks/{task_id}"
    answer = platform.api.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    until((platform.root / "tasks" / task_id / "manifest.json").exists)
    until(lambda: process_of(platform.root, task_id) is None, 10)
    assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "cancelled"
    assert platform.api.request(method, path).status_code == 409
