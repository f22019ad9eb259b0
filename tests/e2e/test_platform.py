"""The contract's answers from the running platform."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import COIN, Platform, free_ports, process_of

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}


def follow(platform: Platform, task_id: str, timeout_s: float = 60) -> list[dict[str, Any]]:
    """Poll a task until it ends; return every status seen."""
    seen = [platform.api.get(f"/api/backtests/status/{task_id}").json()]
    deadline = time.monotonic() + timeout_s
    while seen[-1]["status"] in {"queued", "running"}:
        assert time.monotonic() < deadline, seen[-1]
        time.sleep(0.1)
        seen.append(platform.api.get(f"/api/backtests/status/{task_id}").json())
    return seen


def until(met: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_everything_is_healthy(platform: Platform) -> None:
    """Every part reports in."""
    body = platform.api.get("/health").json()
    assert body["status"] == "healthy", body


def test_an_async_backtest_from_submission_to_result(platform: Platform) -> None:
    """202, then queued, running, completed; the result is the one on disk and the one under its run id."""
    answer = platform.api.post("/api/backtests/run-async", json={**BODY, "symbols": ["AAA_KRW", "KRW-BBB"]})
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    seen = follow(platform, task_id)
    assert seen[-1]["status"] == "completed", seen[-1]["error"]
    order = ["queued", "running", "completed"]
    assert [order.index(s["status"]) for s in seen] == sorted(order.index(s["status"]) for s in seen)
    assert [s["progress"] for s in seen] == sorted(s["progress"] for s in seen)
    assert seen[-1]["progress"] == 1.0
    assert seen[-1]["finished_at"] > seen[-1]["started_at"] > seen[-1]["created_at"]
    stored = (platform.root / "tasks" / task_id / "result.json").read_bytes()
    assert platform.api.get(f"/api/backtests/{task_id}").content == stored
    assert seen[-1]["result"] == {**json.loads(stored), "reused_from": None}
    assert seen[-1]["dagster_url"] == f"{platform.ui_url}/runs/{task_id}"


def test_a_sync_backtest_answers_with_the_stored_result(platform: Platform) -> None:
    """200 with results/RUN_ID.json; asked again, the same at once, reused from that run."""
    answer = platform.api.post("/api/backtests/run", params={"fresh": True}, json=BODY)
    assert answer.status_code == 200, answer.text
    run_id = answer.json()["run_id"]
    stored = (platform.root / f"results/{run_id}.json").read_bytes()
    assert answer.json() == {**json.loads(stored), "reused_from": None}
    assert platform.api.get(f"/api/backtests/{run_id}").content == stored
    again = platform.api.post("/api/backtests/run", json=BODY)
    assert again.json() == {**json.loads(stored), "reused_from": run_id}


def test_one_idempotency_key_is_one_task(platform: Platform) -> None:
    """A repeated submission finds its task; the same key for another request is refused."""
    headers = {"Idempotency-Key": "only-once"}
    first, second = (platform.api.post("/api/backtests/run-async", json=BODY, headers=headers) for _ in range(2))
    assert first.json()["task_id"] == second.json()["task_id"]
    other = platform.api.post("/api/backtests/run-async", json={**BODY, "timeframe": "1h"}, headers=headers)
    assert other.status_code == 409
    assert first.json()["task_id"] in other.json()["detail"]


def test_missing_candles_fail_sync_and_async_with_the_same_sentence(platform: Platform) -> None:
    """404 at once for the one, a failed task for the other."""
    body = {**BODY, "symbols": ["AAA_KRW", "NONE_KRW"]}
    refused = platform.api.post("/api/backtests/run", json=body)
    assert refused.status_code == 404
    task_id = platform.api.post("/api/backtests/run-async", json=body).json()["task_id"]
    failed = follow(platform, task_id)[-1]
    assert failed["status"] == "failed"
    assert failed["error"] == refused.json()["detail"]
    assert failed["result"] is None
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    until(manifest.exists)
    assert json.loads(manifest.read_bytes())["error"]["message"] == failed["error"]


def test_a_second_up_on_the_same_folder_is_refused(platform: Platform) -> None:
    """Two daemons would run everything twice; the first platform does not notice."""
    done = subprocess.run(
        [COIN, "up", "--api-port", str(free_ports(1)[0]), "--ui-port", str(free_ports(1)[0])],
        env={**os.environ, "DATA_ROOT": str(platform.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"another 'coin up' serves {platform.root}" in done.stderr
    assert platform.api.get("/health").status_code == 200


def test_a_database_that_is_away_is_503_until_it_is_back(platform: Platform) -> None:
    """Nothing is accepted that cannot be stored, nothing answers 500, and nobody has to restart anything."""
    home = platform.root / "postgres"
    supervisor = int((home / "supervisor.lock").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(int((home / "data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        time.sleep(0.5)
        refused = platform.api.post("/api/backtests/run-async", json=BODY)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert "PostgreSQL" in refused.json()["detail"]
        ill = platform.api.get("/health")
        assert ill.status_code == 503
        assert not ill.json()["components"]["dagster_storage"]["healthy"]
    finally:
        os.kill(supervisor, signal.SIGCONT)
    deadline = time.monotonic() + 60
    while platform.api.get("/health").status_code != 200:
        assert time.monotonic() < deadline, platform.api.get("/health").text
        time.sleep(0.2)
    task_id = platform.api.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    assert follow(platform, task_id)[-1]["status"] == "completed"
    runs = platform.api.post(f"{platform.ui_url}/graphql", json={"query": "{ runsOrError(limit: 9) { __typename } }"})
    assert runs.json()["data"]["runsOrError"]["__typename"] == "Runs"


def test_a_task_whose_process_is_killed_is_tried_again(platform: Platform) -> None:
    """Others follow the first process, under the same task; after the third, status and manifest say what happened."""
    body = {**BODY, "strategy": "slow"}
    task_id = platform.api.post("/api/backtests/run-async", json=body).json()["task_id"]
    seen, killed = [platform.api.get(f"/api/backtests/status/{task_id}").json()], set[int]()
    deadline = time.monotonic() + 100
    while seen[-1]["status"] in {"queued", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        pid = process_of(platform.root, task_id)
        if pid and pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        seen.append(platform.api.get(f"/api/backtests/status/{task_id}").json())
    failed = seen[-1]
    assert len(killed) == 3
    order = ["queued", "running", "failed"]
    assert [order.index(s["status"]) for s in seen] == sorted(order.index(s["status"]) for s in seen)
    assert [s["progress"] for s in seen] == sorted(s["progress"] for s in seen)
    assert failed["error"].startswith("the run's process ended before it had a result")
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    until(manifest.exists)
    assert json.loads(manifest.read_bytes())["error"]["message"] == failed["error"]
    assert task_id in platform.api.get(f"/api/backtests/{task_id}").json()["detail"]


def test_a_retried_task_has_its_result_under_its_own_id(platform: Platform) -> None:
    """The second process publishes what the first would have; nobody has to know that there were two."""
    body = {**BODY, "strategy": "steady", "params": {"every": 3}}
    task_id = platform.api.post("/api/backtests/run-async", json=body).json()["task_id"]
    until(lambda: process_of(platform.root, task_id) is not None)
    pid = process_of(platform.root, task_id)
    if pid:
        os.kill(pid, signal.SIGKILL)
    completed = follow(platform, task_id)[-1]
    assert completed["status"] == "completed", completed["error"]
    assert completed["result"]["run_id"] == task_id
    assert platform.api.get(f"/api/backtests/{task_id}").json()["run_id"] == task_id


@pytest.mark.parametrize("task_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_an_unknown_task_is_404(platform: Platform, task_id: str) -> None:
    """No task is made up."""
    assert platform.api.get(f"/api/backtests/status/{task_id}").status_code == 404


def test_the_dagster_ui_knows_the_job(platform: Platform) -> None:
    """The webserver shares the code location, and the Launchpad's default config is there."""
    query = """{ runsOrError(limit: 1) { __typename }
                 repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } location { name } } } } }"""
    answer = platform.api.post(f"{platform.ui_url}/graphql", json={"query": query}).json()["data"]
    node = answer["repositoriesOrError"]["nodes"][0]
    assert node["location"]["name"] == "coin_pipeline"
    assert "backtest" in [job["name"] for job in node["jobs"]]
