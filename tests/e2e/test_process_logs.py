"""Logs of a running platform in JSON."""

import json
from typing import Any

from tests.platforms import BACKTEST, Platform, follow_backtest, wait_until


def entries(platform: Platform, name: str) -> list[dict[str, Any]]:
    """Return the entries of the log of a process; each line must be one."""
    return [json.loads(line) for line in (platform.root / "logs" / f"{name}.log").read_text().splitlines()]


def requests_by_id(platform: Platform, request_id: str) -> list[dict[str, Any]]:
    """Return the lines of the access log about one request; the line is written after the answer has been sent."""
    return [entry for entry in entries(platform, "api") if entry.get("request_id") == request_id]


def test_every_process_logs_json(platform: Platform) -> None:
    """A log collector reads the logs of all processes alike, Dagster's and uvicorn's lines included."""
    ended = follow_backtest(
        platform.api, platform.api.post("/api/backtests/run-async", json=BACKTEST).json()["task_id"]
    )
    assert ended[-1]["status"] == "completed"
    for name in ("api", "daemon", "webserver", "pool", "code-server"):
        processes = {entry["process"] for entry in entries(platform, name)}
        assert processes <= {name}, name
    assert entries(platform, "daemon")[0]["message"] == "lock acquired; this daemon is active"
    assert "Started Dagster code server" in entries(platform, "code-server")[-1]["message"]


def test_a_request_and_its_task_are_found_by_the_id_of_the_client(platform: Platform) -> None:
    """One line of the access log connects the id that a client sent with the task that its request created."""
    headers = {"X-Request-ID": "ticket-4711"}
    answer = platform.api.post("/api/backtests/run-async", json=BACKTEST, headers=headers)
    assert answer.headers["X-Request-ID"] == "ticket-4711"
    (line,) = wait_until(lambda: requests_by_id(platform, "ticket-4711"))
    assert line["task_id"] == answer.json()["task_id"]
    assert (line["route"], line["status"], line["client"]) == ("/api/backtests/run-async", 202, "127.0.0.1")
