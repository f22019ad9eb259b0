"""Runs that are cancelled, suspended, too many or too large."""

import os
import signal
import time
from typing import Any

import httpx2
import pytest

from coin_pipeline.settings import load_settings
from tests.e2e.conftest import LAUNCHER
from tests.platforms import (
    BACKTEST,
    Platform,
    follow_backtest,
    has_ended,
    query_database,
    run_process,
    submit_backtest,
    wait_for_process,
    wait_until,
)

pytestmark = pytest.mark.launchers
LEASE_LEFT = "select extract(epoch from until - clock_timestamp())::float8 from coin.lease where run_id = %s"
MONITOR_ROUNDS_S = 4
"""After the end of a lease, enough for two rounds of the monitor with the settings of the platform."""
CANCEL_S = 4
"""A run ends within two seconds of its cancellation; twice that on a busy machine."""
TERMINATE_RUN = "mutation($runId: String!) { terminateRun(runId: $runId) { __typename } }"
LAUNCH_RUN = """mutation($execution: ExecutionParams!) { launchRun(executionParams: $execution) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


def status_of(platform: Platform, task_id: str) -> str:
    """Return the status that the API reports for a backtest."""
    return str(platform.api.get(f"/api/backtests/status/{task_id}").json()["status"])


@pytest.mark.parametrize("strategy", ["slow", "busy"])
def test_cancellation_ends_the_process_within_two_seconds(platform: Platform, strategy: str) -> None:
    """A loop in compiled code, which receives no interrupt, is ended too; the task is cancelled from then on."""
    task_id = submit_backtest(platform, strategy=strategy)
    pid = wait_for_process(platform, task_id)
    time.sleep(1.5)
    began = time.monotonic()
    assert platform.api.post(f"/api/backtests/{task_id}/cancel").json()["status"] == "cancelled"
    wait_until(lambda: has_ended(pid))
    assert time.monotonic() - began < CANCEL_S
    assert status_of(platform, task_id) == "cancelled"


def test_tasks_are_listed(platform: Platform) -> None:
    """A task is known by its strategy while it runs, and is listed after it has ended."""

    def listed() -> dict[str, Any]:
        items = platform.api.get("/api/tasks", params={"limit": 100}).json()["items"]
        return next(item for item in items if item["task_id"] == task_id)

    task_id = submit_backtest(platform, strategy="slow")
    wait_until(lambda: listed()["status"] == "running")
    assert (listed()["strategy"], listed()["timeframe"], listed()["finished_at"]) == ("slow", "1d", None)
    platform.api.post(f"/api/backtests/{task_id}/cancel")
    assert listed()["status"] == "cancelled"


def test_loop_that_blocks_all_threads_is_not_ended(platform: Platform) -> None:
    """Its lease is not renewed and expires, but its process is seen to work."""
    task_id = submit_backtest(platform, strategy="busy")
    pid = wait_for_process(platform, task_id)
    wait_until(lambda: query_database(platform.root, LEASE_LEFT, (task_id,))[0][0] < -MONITOR_ROUNDS_S)
    assert run_process(platform.root, task_id) == pid
    assert status_of(platform, task_id) == "running"
    platform.api.post(f"/api/backtests/{task_id}/cancel")


def test_suspended_process_is_replaced_by_another_attempt(platform: Platform) -> None:
    """The suspended process is killed, so that it occupies no worker, and has published nothing."""
    task_id = submit_backtest(platform, strategy="steady", params={"every": 7})
    pid = wait_for_process(platform, task_id)
    os.kill(pid, signal.SIGSTOP)
    statuses = follow_backtest(platform.api, task_id)
    assert statuses[-1]["status"] == "completed", statuses[-1]["error"]
    progress = [status["progress"] for status in statuses]
    assert progress == sorted(progress)
    wait_until(lambda: has_ended(pid))


def test_run_that_exceeds_the_memory_limit_fails_with_a_message(platform: Platform) -> None:
    """The limit and the setting are named; no process is killed and nothing is retried."""
    if LAUNCHER != "warm":
        pytest.skip("only the worker pool limits the memory of a run")
    failed = follow_backtest(platform.api, submit_backtest(platform, strategy="greedy"))[-1]
    assert failed["status"] == "failed"
    assert "COIN_RUN_MEMORY_MIB=8192" in failed["error"]
    rejected = platform.api.post("/api/backtests/run", json={**BACKTEST, "strategy": "greedy"})
    assert rejected.status_code == 422
    assert rejected.json()["detail"] == failed["error"]


def test_more_runs_than_bypass_the_queue_all_complete(platform: Platform) -> None:
    """The runs that exceed the pool's capacity wait in the queue, and each task has its own result."""
    windows = range(5, 5 + load_settings().coin_pool_room + 6)
    tasks = {window: submit_backtest(platform, params={"volume_window": window}) for window in windows}
    for window, task_id in tasks.items():
        completed = follow_backtest(platform.api, task_id)[-1]
        assert completed["status"] == "completed", completed["error"]
        assert completed["result"]["params"]["volume_window"] == window


@pytest.mark.skipif(LAUNCHER != "warm", reason="an interpreter for each of these runs takes minutes")
def test_endless_runs_of_one_client_do_not_delay_another(platform: Platform) -> None:
    """They occupy neither all workers nor the places before the queue."""
    limits = load_settings()
    endless = [submit_backtest(platform, strategy="slow") for _ in range(limits.coin_pool_room + limits.coin_workers)]
    transport = httpx2.HTTPTransport(local_address="127.0.0.2")
    with httpx2.Client(base_url=platform.api.base_url, timeout=60, transport=transport) as other:
        task_id = other.post("/api/backtests/run-async", json=BACKTEST).json()["task_id"]
        assert follow_backtest(other, task_id)[-1]["status"] == "completed"
    assert "completed" not in {status_of(platform, task_id) for task_id in endless}
    for task_id in endless:
        platform.api.post(f"/api/backtests/{task_id}/cancel")


def test_run_launched_and_terminated_in_the_dagster_ui(platform: Platform) -> None:
    """The API reports a run launched from the Launchpad, and its termination by the UI's mutation as cancelled."""
    config = {"strategy": "busy", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "end_date": "2024-12-31"}
    execution = {
        "selector": {
            "jobName": "backtest",
            "repositoryName": "__repository__",
            "repositoryLocationName": "coin_pipeline",
        },
        "runConfigData": {"ops": {"load_candles": {"config": config}}},
    }
    launched = platform.graphql(LAUNCH_RUN, execution=execution)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    pid = wait_for_process(platform, run_id)
    assert status_of(platform, run_id) == "running"
    assert platform.graphql(TERMINATE_RUN, runId=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_until(lambda: has_ended(pid))
    wait_until(lambda: status_of(platform, run_id) == "cancelled")
