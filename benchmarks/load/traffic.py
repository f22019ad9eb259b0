"""Clients that submit backtests one after another, and clients that poll them."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.api.client import Connection, DeadlineExceeded, Response, UnexpectedStatus, open_connections
from benchmarks.api.measures import BACKTEST_BODY, RUN_ASYNC, STATUS

POLLERS, SUBMITTERS = 100, 20
POLL_S = 1.0
"""As in Retry-After."""
END_S = 120.0
"""How long submitted backtests may take after the last submission."""
_ERRORS = (UnexpectedStatus, DeadlineExceeded, OSError, EOFError)


@dataclass
class Traffic:
    """What the clients observed.

    Attributes:
        poll_s: Pause between two requests of a client, s.
        status_ms: Response times of polls, ms.
        submit_ms: Response times of submissions, ms.
        finished_s: Times from submission to a completed task, as its submitter sees it, s.
        errors: Number of errors by description: unexpected responses, failed backtests, lost connections.
        recent: The latest tasks, which the pollers poll.
    """

    poll_s: float = POLL_S
    status_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)
    finished_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=SUBMITTERS))


async def run_traffic(port: int, seconds: float, tick: Callable[[], None], poll_s: float = POLL_S) -> Traffic:
    """Submit and poll for some seconds, then wait until every backtest has ended.

    Args:
        port: Port of the API.
        seconds: How long the clients start backtests.
        tick: Called after each backtest.
        poll_s: Pause between two requests of a client, s.
    """
    traffic = Traffic(poll_s)
    async with open_connections(port, SUBMITTERS) as submitters, open_connections(port, POLLERS) as pollers:
        deadline = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for connection in submitters:
                group.create_task(_submit(connection, traffic, deadline, tick))
            for number, connection in enumerate(pollers):
                group.create_task(_poll(connection, number, traffic, deadline))
    return traffic


async def _submit(api: Connection, traffic: Traffic, deadline: float, tick: Callable[[], None]) -> None:
    """Submit a backtest, poll it until it has ended, and repeat."""
    while time.monotonic() < deadline:
        began = time.monotonic()
        accepted = await _request(api, traffic, "POST", RUN_ASYNC, BACKTEST_BODY)
        if accepted is None:
            await asyncio.sleep(traffic.poll_s)
            continue
        traffic.submit_ms.append(accepted.ms)
        task = accepted.json()["task_id"]
        traffic.recent.append(task)
        status = await _wait(api, traffic, task, deadline + END_S)
        if status == "completed":
            traffic.finished_s.append(time.monotonic() - began)
        else:
            traffic.errors[f"a backtest is {status}"] += 1
        tick()


async def _wait(api: Connection, traffic: Traffic, task: str, deadline: float) -> str:
    """Return the last status of a task: the one with which it ended, unless it takes too long."""
    status = "unknown"
    while time.monotonic() < deadline:
        await asyncio.sleep(traffic.poll_s)
        if response := await _request(api, traffic, "GET", STATUS + task):
            traffic.status_ms.append(response.ms)
            document = response.json()
            status = document["status"]
            if document["finished_at"]:
                break
    return status


async def _poll(api: Connection, number: int, traffic: Traffic, deadline: float) -> None:
    """Poll one of the latest tasks once a second; the clients are spread over the second."""
    await asyncio.sleep(traffic.poll_s * number / POLLERS)
    while time.monotonic() < deadline:
        if traffic.recent:
            task = traffic.recent[number % len(traffic.recent)]
            if response := await _request(api, traffic, "GET", STATUS + task):
                traffic.status_ms.append(response.ms)
        await asyncio.sleep(traffic.poll_s)


async def _request(api: Connection, traffic: Traffic, method: str, path: str, body: bytes = b"") -> Response | None:
    """Send a request; count an error by its kind, and return None."""
    try:
        return await api.request(method, path, body)
    except _ERRORS as error:
        api.close()
        kind = "GET status" if method == "GET" else "POST run-async"
        detail = str(error).partition(" returned ")[2][:100] if isinstance(error, UnexpectedStatus) else repr(error)
        traffic.errors[f"{kind}: {detail}"] += 1
        return None
