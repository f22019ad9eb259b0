"""The API while a service behind it does not respond: it keeps its time limits, and bodies have nothing private."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from coin_pipeline.ledger.requests import ENTER_EXAMPLE
from tests.platforms import BACKTEST, Platform, follow_backtest, is_healthy, query_database, wait_until

LIMIT_S, HEALTH_LIMIT_S, LIVE_LIMIT_S = 3.0, 2.0, 0.05
SLACK_S = 0.5
"""Time that a loaded machine may add."""


def test_every_route_keeps_its_time_limit_while_the_database_hangs(platform: Platform) -> None:
    """Whatever needs the database is 503; the rest works; nothing is lost or doubled once the database is back."""
    keyed = {"Idempotency-Key": uuid.uuid4().hex}
    spec = {**BACKTEST, "params": {"volume_window": 17}}

    def submit() -> httpx2.Response:
        return platform.api.post("/api/backtests/run-async", json=spec, headers=keyed)

    def enter() -> httpx2.Response:
        return platform.api.post("/api/positions/enter", json=ENTER_EXAMPLE, headers=keyed)

    for _ in range(2):  # loads what a run, and what the reuse of its result needs
        assert platform.api.post("/api/backtests/run", json=BACKTEST).status_code == 200
    requests = all_requests(platform.api.get("/openapi.json").json())
    with stopped_database(platform.root), ThreadPoolExecutor(24) as clients:
        pending = [clients.submit(submit) for _ in range(16)]
        time.sleep(0.2)
        for path in ("/", "/health/live", "/api/strategies", "/api/candles"):
            began = time.monotonic()
            assert platform.api.get(path).status_code == 200
            assert time.monotonic() - began < LIVE_LIMIT_S + SLACK_S, path
        for _ in range(3):
            began = time.monotonic()
            health = platform.api.get("/health")
            assert time.monotonic() - began < HEALTH_LIMIT_S + SLACK_S
            assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
            assert not health.json()["components"]["database"]["healthy"]
        for response in [*(future.result() for future in pending), submit(), enter()]:
            assert_unavailable(platform, response)
        answers = list(clients.map(lambda request: send(platform, *request), requests))
    assert sum(response.status_code == 503 for response in answers) >= 10
    wait_until(lambda: is_healthy(platform), 10)
    assert [enter().json()["position"]["quantity"] for _ in range(2)] == [1.0, 1.0]
    task_id = submit().json()["task_id"]
    assert follow_backtest(platform.api, task_id)[-1]["status"] == "completed"
    assert query_database(platform.root, "select count(*) from runs where run_id = %s", (task_id,)) == [(1,)]


def all_requests(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method and path of every operation, with ids of nothing in place of parameters."""
    return [
        (method, "/".join(str(uuid.uuid4()) if part.startswith("{") else part for part in path.split("/")))
        for path, operations in document["paths"].items()
        for method in operations
    ]


def send(platform: Platform, method: str, path: str) -> httpx2.Response:
    """Send a request, which must be answered in time."""
    began = time.monotonic()
    body = BACKTEST if method == "post" else None
    response = platform.api.request(method.upper(), path, json=body, headers={"Accept": "application/json"})
    assert time.monotonic() - began < LIMIT_S + SLACK_S, (method, path)
    assert response.status_code != 500, (method, path, response.text)
    if response.status_code == 503 and path not in {"/health", "/health/ready"}:
        assert_unavailable(platform, response)
    return response


def assert_unavailable(platform: Platform, response: httpx2.Response) -> None:
    """Assert that a response is a 503 with the time to retry and nothing that is private to the machine."""
    assert response.status_code == 503, response.text
    assert response.headers["Retry-After"]
    assert response.headers["Content-Type"] == "application/problem+json"
    for private in ("127.0.0.1", "PostgreSQL", "server", str(platform.root)):
        assert private not in response.json()["detail"].removesuffix("in the server's log)"), response.text


@contextmanager
def stopped_database(root: Path) -> Iterator[None]:
    """Stop every process of the server of the platform's database."""
    ((folder,),) = query_database(root, "show data_directory")
    postmaster = int(Path(folder, "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    pids = [postmaster, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
