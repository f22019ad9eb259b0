"""Responses of the running platform, compared with the API contract and with what is stored."""

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.e2e.conftest import LAUNCHER, embedded_server
from tests.platforms import (
    BACKTEST,
    COIN,
    Platform,
    follow_backtest,
    free_ports,
    is_healthy,
    run_process,
    submit_backtest,
    wait_for_process,
    wait_until,
)

pytestmark = pytest.mark.launchers


def assert_status_advances(statuses: list[dict[str, Any]], *order: str) -> None:
    """Check that neither the status nor the progress ever goes backwards."""
    positions = [order.index(status["status"]) for status in statuses]
    assert positions == sorted(positions)
    progress = [status["progress"] for status in statuses]
    assert progress == sorted(progress)


def test_health_reports_every_component_healthy(platform: Platform) -> None:
    """The platform is healthy once `coin up` reports that it serves requests."""
    body = platform.api.get("/health").json()
    assert body["status"] == "healthy", body


def test_async_backtest_from_submission_to_result(platform: Platform) -> None:
    """202, then queued, running, completed; the result equals the stored file and the response for its run id."""
    answer = platform.api.post("/api/backtests/run-async", json={**BACKTEST, "symbols": ["AAA_KRW", "KRW-BBB"]})
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    statuses = follow_backtest(platform.api, task_id)
    completed = statuses[-1]
    assert completed["status"] == "completed", completed["error"]
    assert_status_advances(statuses, "queued", "running", "completed")
    assert completed["progress"] == 1.0
    assert completed["finished_at"] > completed["started_at"] > completed["created_at"]
    stored = (platform.root / "tasks" / task_id / "result.json").read_bytes()
    assert platform.api.get(f"/api/backtests/{task_id}").content == stored
    assert completed["result"] == {**json.loads(stored), "reused_from": None}
    assert completed["dagster_url"] == f"{platform.ui_url}/runs/{task_id}"


def test_sync_backtest_returns_the_stored_result(platform: Platform) -> None:
    """The content of results/RUN_ID.json, at once or by polling; an identical request reuses that run."""
    answer = platform.api.post("/api/backtests/run", params={"fresh": True}, json=BACKTEST)
    if LAUNCHER != "warm" and answer.status_code == 503:  # a run may take longer to start than a request waits
        result = follow_backtest(platform.api, answer.json()["task_id"])[-1]["result"]
    else:
        assert answer.status_code == 200, answer.text
        result = answer.json()
    run_id = result["run_id"]
    stored = (platform.root / f"results/{run_id}.json").read_bytes()
    assert result == {**json.loads(stored), "reused_from": None}
    assert platform.api.get(f"/api/backtests/{run_id}").content == stored
    repeated = platform.api.post("/api/backtests/run", json=BACKTEST)
    assert repeated.json() == {**json.loads(stored), "reused_from": run_id}


def test_idempotency_key_identifies_one_task(platform: Platform) -> None:
    """A repeated submission returns its task; the same key for another request is rejected."""
    headers = {"Idempotency-Key": "only-once"}
    first, second = (platform.api.post("/api/backtests/run-async", json=BACKTEST, headers=headers) for _ in range(2))
    assert first.json()["task_id"] == second.json()["task_id"]
    other = platform.api.post("/api/backtests/run-async", json={**BACKTEST, "timeframe": "1h"}, headers=headers)
    assert other.status_code == 409
    assert first.json()["task_id"] in other.json()["detail"]


def test_missing_candles_fail_sync_and_async_with_the_same_message(platform: Platform) -> None:
    """404 for the synchronous request, a failed task with the same message for the asynchronous one."""
    body = {**BACKTEST, "symbols": ["AAA_KRW", "NONE_KRW"]}
    rejected = platform.api.post("/api/backtests/run", json=body)
    assert rejected.status_code == 404
    task_id = submit_backtest(platform, **body)
    failed = follow_backtest(platform.api, task_id)[-1]
    assert failed["status"] == "failed"
    assert failed["error"] == rejected.json()["detail"]
    assert failed["result"] is None
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    wait_until(manifest.exists)
    assert json.loads(manifest.read_bytes())["error"]["message"] == failed["error"]


def test_second_platform_on_the_same_folder_is_rejected(platform: Platform) -> None:
    """Two daemons would run everything twice; the running platform is not affected."""
    api_port, ui_port = map(str, free_ports(2))
    second = subprocess.run(
        [COIN, "up", "--api-port", api_port, "--ui-port", ui_port],
        env={**os.environ, "DATA_ROOT": str(platform.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert f"another 'coin up' or 'coin serve' already serves {platform.root}" in second.stderr
    assert platform.api.get("/health").status_code == 200


@embedded_server
def test_database_outage_is_503_until_the_database_is_back(platform: Platform) -> None:
    """Nothing is accepted that cannot be stored, nothing responds with 500, and no restart by hand is necessary."""
    home = platform.root / "postgres"
    supervisor = int((home / "supervisor.lock").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(int((home / "data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        time.sleep(0.5)
        rejected = platform.api.post("/api/backtests/run-async", json=BACKTEST)
        assert rejected.status_code == 503
        assert rejected.headers["Retry-After"]
        assert "the database does not respond" in rejected.json()["detail"]
        wait_until(lambda: platform.api.get("/health").status_code == 503)  # a check is shared for a second
        assert not platform.api.get("/health").json()["components"]["dagster_storage"]["healthy"]
    finally:
        os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: is_healthy(platform))
    assert follow_backtest(platform.api, submit_backtest(platform))[-1]["status"] == "completed"
    assert platform.graphql("{ runsOrError(limit: 9) { __typename } }")["runsOrError"]["__typename"] == "Runs"


def test_task_with_killed_processes_is_retried_twice(platform: Platform) -> None:
    """All three attempts belong to one task; after the last, status and manifest report what happened."""
    task_id = submit_backtest(platform, strategy="slow")
    status_url = f"/api/backtests/status/{task_id}"
    statuses, killed = [platform.api.get(status_url).json()], set[int]()

    def is_finished_despite_kills() -> bool:
        pid = run_process(platform.root, task_id)
        if pid and pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        statuses.append(platform.api.get(status_url).json())
        return statuses[-1]["status"] not in {"queued", "running"}

    wait_until(is_finished_despite_kills, 100)
    failed = statuses[-1]
    assert len(killed) == 3
    assert_status_advances(statuses, "queued", "running", "failed")
    assert failed["error"].startswith("the run's process ended before it had a result")
    manifest = platform.root / "tasks" / task_id / "manifest.json"
    wait_until(manifest.exists)
    assert json.loads(manifest.read_bytes())["error"]["message"] == failed["error"]
    assert task_id in platform.api.get(f"/api/backtests/{task_id}").json()["detail"]


def test_retried_task_publishes_its_result_under_its_own_id(platform: Platform) -> None:
    """The second process publishes what the first would have; clients need not know about the retry."""
    task_id = submit_backtest(platform, strategy="steady", params={"every": 3})
    os.kill(wait_for_process(platform, task_id), signal.SIGKILL)
    completed = follow_backtest(platform.api, task_id)[-1]
    assert completed["status"] == "completed", completed["error"]
    assert completed["result"]["run_id"] == task_id
    assert platform.api.get(f"/api/backtests/{task_id}").json()["run_id"] == task_id


@pytest.mark.parametrize("task_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_unknown_task_is_404(platform: Platform, task_id: str) -> None:
    """A task id that was never issued has no status."""
    assert platform.api.get(f"/api/backtests/status/{task_id}").status_code == 404


def test_dagster_webserver_lists_the_job(platform: Platform) -> None:
    """The webserver shares the code location of the platform."""
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } location { name } } } } }"
    repository = platform.graphql(query)["repositoriesOrError"]["nodes"][0]
    assert repository["location"]["name"] == "coin_pipeline"
    assert "backtest" in [job["name"] for job in repository["jobs"]]
