"""Server-sent events from a real server over a socket."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from coin_api.app import create_app
from coin_api.deps import Timeouts
from coin_api.tasks import SweepPoints
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.settings import load_settings
from tests.api.conftest import NO_DATABASE
from tests.api.program import TASK_ID
from tests.api.test_backtests import BODY
from tests.conftest import ROOT
from tests.fakes import QUEUED, FakeOrchestrator
from tests.platforms import free_ports

UNKNOWN = "00000000-0000-0000-0000-000000000000"
SILENCE_S = 0.05
COMPLETED = replace(QUEUED, status="completed", progress=1.0).version


@dataclass(frozen=True)
class Served:
    """A server, its application and the orchestrator behind it."""

    url: str
    app: FastAPI
    orchestrator: FakeOrchestrator

    def add(self, task_id: str, **fields: Any) -> str:  # noqa: ANN401 -- fields of Task
        """Add a task and return the URL of its events."""
        task = replace(QUEUED, task_id=task_id, **fields)
        self.orchestrator.tasks_by_id[task_id] = task
        return f"{self.url}/api/sweeps/{task_id}/events" if task.job == "sweep" else self.events_url(task_id)

    def events_url(self, task_id: str) -> str:
        """Return the URL of a backtest's events."""
        return f"{self.url}/api/backtests/status/{task_id}/events"

    def subscription_count(self) -> int:
        """Return the number of tasks that are followed."""
        return len(self.app.state.subscriptions)


@dataclass(frozen=True)
class Event:
    """A parsed event."""

    name: str
    id: int
    data: dict[str, Any]


class Stream:
    """An event stream, parsed like in a browser."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.comments = 0
        self.retry_ms = 0
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Event]:
        """Yield events until the server ends the stream."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
            if not line:
                fields = {}
            elif line.startswith(":"):
                self.comments += 1
            elif name == "retry":
                self.retry_ms = int(value)
            else:
                fields[name] = value

    def next(self) -> Event:
        """Return the next event."""
        return next(iter(self))


@pytest.fixture
def served(orchestrator: FakeOrchestrator, candles: CandleCatalog) -> Iterator[Served]:
    """The application behind uvicorn, with comments after a short silence."""
    assert candles
    app = create_app(load_settings(), lambda _: orchestrator, Timeouts(silence_s=SILENCE_S), lambda _: NO_DATABASE)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", app, orchestrator)
    server.should_exit = True
    thread.join()


@contextmanager
def opened(url: str, last_event_id: object = None) -> Iterator[Stream]:
    """Open a stream, optionally after an event that was already received."""
    headers = {} if last_event_id is None else {b"Last-Event-ID": str(last_event_id).encode("latin-1")}
    with httpx2.stream("GET", url, headers=headers, timeout=10) as response:
        yield Stream(response)


def until(done: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait until `done` returns a true value."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_change_is_an_event_and_the_end_is_the_last(served: Served) -> None:
    """Ids grow, and the data is the status without its result; then the stream ends."""
    url = served.add("t")
    with opened(url) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["Cache-Control"] == "no-store"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        seen = [stream.next()]
        for status, progress in (("running", 0.0), ("running", 0.5), ("completed", 1.0)):
            served.orchestrator.move("t", status, progress)  # type: ignore[arg-type]
            seen.append(stream.next())
        assert list(stream) == []
        assert stream.retry_ms == 1000
    assert [(event.data["status"], event.data["progress"]) for event in seen] == [
        ("queued", 0.0),
        ("running", 0.0),
        ("running", 0.5),
        ("completed", 1.0),
    ]
    assert {event.name for event in seen} == {"status"}
    ids = [event.id for event in seen]
    assert ids == sorted(set(ids))
    assert httpx2.get(url.removesuffix("/events")).status_code == 404  # no result is stored: no event needed one
    assert set(seen[0].data) == {
        "task_id",
        "status",
        "progress",
        "error",
        "created_at",
        "started_at",
        "finished_at",
        "dagster_url",
        "report_url",
    }


def test_events_of_a_sweep_include_its_points(served: Served) -> None:
    """A sweep has no events under backtests, nor a backtest under sweeps."""
    url = served.add(
        "s", job="sweep", status="failed", progress=0.25, error="killed", points=SweepPoints(36, 9, 4.5, None)
    )
    with opened(url) as stream:
        (event,) = stream
    assert (event.data["points"], event.data["points_done"], event.data["error"]) == (36, 9, "killed")
    assert "result" not in event.data
    served.add("t")
    for wrong in (served.events_url("s"), f"{served.url}/api/sweeps/t/events"):
        assert httpx2.get(wrong).status_code == 404


def test_reconnecting_client_gets_what_is_new(served: Served) -> None:
    """No event is repeated; an invalid Last-Event-ID counts as none."""
    url = served.add("t", status="running", progress=0.5)
    with opened(url) as stream:
        seen = stream.next()
    with opened(url, seen.id) as stream:
        until(lambda: served.subscription_count() == 1)
        served.orchestrator.move("t", "running", 0.75)
        assert stream.next().data["progress"] == 0.75
    for foreign in ("9999999", "abc", "-1", "1" * 5000, "²"):
        with opened(url, foreign) as stream:
            assert stream.next().data["progress"] == 0.75


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_reconnecting_client_gets_the_last_event_once(served: Served, status: str) -> None:
    """After that it gets 204, on which a browser stops reconnecting."""
    url = served.add("t", status=status, progress=0.5)
    with opened(url, 0) as stream:
        (last,) = stream
    assert last.data["status"] == status
    with opened(url, last.id) as stream:
        assert stream.response.status_code == 204
        assert list(stream) == []


@pytest.mark.parametrize("task_id", [UNKNOWN, "nothing", "a.b", "%00"])
def test_unknown_task_is_404_before_a_stream_starts(served: Served, task_id: str) -> None:
    """Also for a client that reconnects to a deleted task."""
    for headers in ({}, {"Last-Event-ID": "0"}):
        response = httpx2.get(served.events_url(task_id), headers=headers)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


def test_outage_does_not_end_streams(served: Served) -> None:
    """Comments continue during a database outage, and events after it; only new clients are refused."""
    url = served.add("t")
    with opened(url) as stream, opened(url, 0) as resumed:
        stream.next()
        served.orchestrator.down = True
        reads = served.orchestrator.reads
        until(lambda: served.orchestrator.reads > reads)
        refused = httpx2.get(url)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        # A browser that is refused would not come back after the outage.
        with opened(url, 0) as during, opened(url, COMPLETED) as finished:
            assert during.response.status_code == 200
            served.orchestrator.move("t", "completed", 1.0)
            before = stream.comments
            served.orchestrator.down = False
            ends = [list(stream_) for stream_ in (stream, resumed, during)]
            assert list(finished) == []
        assert stream.comments > before
    assert [[event.data["status"] for event in last] for last in ends] == [["completed"]] * 3


def test_deleted_task_ends_its_stream(served: Served) -> None:
    """A client that reconnects gets 404."""
    url = served.add("t")
    with opened(url) as stream:
        stream.next()
        del served.orchestrator.tasks_by_id["t"]
        assert list(stream) == []
    assert httpx2.get(url, headers={"Last-Event-ID": "0"}).status_code == 404


def test_disconnected_client_leaves_no_subscription(served: Served) -> None:
    """Its task is no longer polled."""
    url = served.add("t")
    with opened(url) as stream:
        stream.next()
        assert served.subscription_count() == 1
    until(lambda: served.subscription_count() == 0)
    reads = served.orchestrator.reads
    time.sleep(0.1)
    assert served.orchestrator.reads == reads


def test_hundred_streams_do_not_delay_other_requests(served: Served) -> None:
    """With 50 streams on 50 tasks and 50 on one, status requests stay fast, and each stream gets its end."""
    urls = [served.add(f"t{i}") for i in range(50)] + [served.add("same")] * 50

    async def last_status(lines: AsyncIterator[str]) -> str:
        finished = [line async for line in lines if line.startswith("data: ")]
        return str(json.loads(finished[-1].removeprefix("data: "))["status"])

    async def follow_all() -> tuple[list[float], list[str]]:
        limits = httpx2.Limits(max_connections=200)
        async with httpx2.AsyncClient(timeout=20, limits=limits) as client, asyncio.TaskGroup() as group:

            @asynccontextmanager
            async def stream(url: str) -> AsyncIterator[AsyncIterator[str]]:
                async with client.stream("GET", url) as response:
                    assert response.status_code == 200
                    yield response.aiter_lines()

            async def last(url: str) -> str:
                async with stream(url) as lines:
                    return await last_status(lines)

            ends = [group.create_task(last(url)) for url in urls]
            await asyncio.to_thread(until, lambda: served.subscription_count() == 51)
            latencies = []
            for _ in range(20):
                began = time.perf_counter()
                response = await client.get(f"{served.url}/api/backtests/status/t0")
                latencies.append(time.perf_counter() - began)
                assert response.status_code == 200
            for task_id in tuple(served.orchestrator.tasks_by_id):
                served.orchestrator.move(task_id, "failed", error="over")
        return latencies, [task.result() for task in ends]

    latencies, ends = asyncio.run(follow_all())
    assert ends == ["failed"] * 100
    assert statistics.median(latencies) < 1
    until(lambda: served.subscription_count() == 0)


def test_shutdown_does_not_wait_for_streams(candles: CandleCatalog, data_root: Path) -> None:
    """SIGTERM ends open streams without a false end, leaves a waiting request to polling, and ends the process."""
    assert candles
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "tests.api.program:app", "--factory", "--port", str(port)],
        cwd=data_root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: is_up(f"{url}/openapi.json"), 60)
        with opened(f"{url}/api/backtests/status/{TASK_ID}/events") as stream:
            assert stream.next().data["status"] == "queued"
            responses: list[httpx2.Response] = []
            body = {**BODY, "start_date": "2024-02-02"}
            waiting = threading.Thread(
                target=lambda: responses.append(httpx2.post(f"{url}/api/backtests/run", json=body, timeout=30))
            )
            waiting.start()
            time.sleep(0.5)  # by then it is stored, and the request waits
            server.send_signal(signal.SIGTERM)
            assert list(stream) == []
            waiting.join()
        assert (responses[0].status_code, "still queued" in responses[0].json()["detail"]) == (503, True)
        server.wait(5)
    finally:
        server.kill()
        server.wait()


def is_up(url: str) -> bool:
    """Return whether a server responds."""
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False
