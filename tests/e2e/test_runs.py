"""What becomes of runs on the running platform: cancelled, stopped, killed, too many, too large."""

import os
import signal
import time
from typing import Any

import pytest

from coin_pipeline.settings import load_settings
from tests.e2e.conftest import Platform, process_of, state_of
from tests.e2e.test_platform import BODY, follow, until

RETRIED_S = 60
WARM = load_settings().coin_launcher == "warm"
NEEDS_POOL = pytest.mark.skipif(not WARM, reason="only the worker pool limits the memory of a run")


def submit(platform: Platform, **fields: Any) -> str:  # noqa: ANN401 -- any field of a request
    """Submit a backtest; return its task."""
    answer = platform.api.post("/api/backtests/run-async", json={**BODY, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def running(platform: Platform, task_id: str) -> int:
    """Return the process of a task, once it has one."""
    until(lambda: process_of(platform.root, task_id) is not None)
    pid = process_of(platform.root, task_id)
    assert pid
    return pid


@pytest.mark.parametrize("strategy", ["slow", "busy"])
def test_cancelling_stops_the_work_within_two_seconds(platform: Platform, strategy: str) -> None:
    """A loop in machine code, which hears no interrupt, is stopped too; the task is cancelled from then on."""
    task_id = submit(platform, strategy=strategy)
    pid = running(platform, task_id)
    time.sleep(1.5)
    began = time.monotonic()
    assert platform.api.post(f"/api/backtests/{task_id}/cancel").json()["status"] == "cancelled"
    until(lambda: state_of(pid) in "ZX")
    assert time.monotonic() - began < 4  # two seconds, and as much again for a machine that does other things
    assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "cancelled"


def test_a_loop_that_lets_no_thread_run_is_left_alone(platform: Platform) -> None:
    """Its lease is not renewed, and yet its process is seen to work."""
    task_id = submit(platform, strategy="busy")
    pid = running(platform, task_id)
    time.sleep(16)
    assert process_of(platform.root, task_id) == pid
    assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "running"
    platform.api.post(f"/api/backtests/{task_id}/cancel")


def test_a_stopped_process_is_given_up_and_its_task_goes_on(platform: Platform) -> None:
    """Another attempt follows; the first one is killed, so that it takes no place, and has published nothing."""
    task_id = submit(platform, strategy="steady", params={"every": 7})
    pid = running(platform, task_id)
    os.kill(pid, signal.SIGSTOP)
    completed = follow(platform, task_id, RETRIED_S)
    assert completed[-1]["status"] == "completed", completed[-1]["error"]
    assert [s["progress"] for s in completed] == sorted(s["progress"] for s in completed)
    until(lambda: state_of(pid) in "ZX")


@NEEDS_POOL
def test_a_run_that_asks_for_too_much_memory_fails_with_a_sentence(platform: Platform) -> None:
    """The limit and the setting are named; nothing is killed, nothing is tried again."""
    task_id = submit(platform, strategy="greedy")
    failed = follow(platform, task_id)[-1]
    assert failed["status"] == "failed"
    assert "COIN_RUN_MEMORY_MIB=8192" in failed["error"]
    refused = platform.api.post("/api/backtests/run", json={**BODY, "strategy": "greedy"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == failed["error"]


def test_many_at_once_all_complete(platform: Platform) -> None:
    """More than skip the queue: the rest waits in it, and every one has its own result."""
    tasks = [submit(platform, params={"volume_window": 5 + number}) for number in range(30)]
    for number, task_id in enumerate(tasks):
        completed = follow(platform, task_id)[-1]
        assert completed["status"] == "completed", completed["error"]
        assert completed["result"]["params"]["volume_window"] == 5 + number


def test_a_run_of_the_dagster_ui_takes_the_same_path(platform: Platform) -> None:
    """Launched there with the config that is typed in, cancelled there by its button's mutation."""
    selector = '{jobName: "backtest", repositoryName: "__repository__", repositoryLocationName: "coin_pipeline"}'
    config = (
        '{ops: {load_candles: {config: {strategy: "busy", symbols: ["AAA_KRW"],'
        ' start_date: "2024-01-01", end_date: "2024-12-31"}}}}'
    )
    launched = graphql(
        platform,
        f"mutation {{ launchRun(executionParams: {{selector: {selector}, runConfigData: {config}}}) {{ __typename"
        " ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    pid = running(platform, run_id)
    assert platform.api.get(f"/api/backtests/status/{run_id}").json()["status"] == "running"
    ended = graphql(platform, f'mutation {{ terminateRun(runId: "{run_id}") {{ __typename }} }}')
    assert ended["terminateRun"]["__typename"] == "TerminateRunSuccess"
    until(lambda: state_of(pid) in "ZX")
    until(lambda: platform.api.get(f"/api/backtests/status/{run_id}").json()["status"] == "cancelled")


def graphql(platform: Platform, query: str) -> dict[str, Any]:
    """Ask the Dagster webserver."""
    answer: dict[str, Any] = platform.api.post(f"{platform.ui_url}/graphql", json={"query": query}).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data
