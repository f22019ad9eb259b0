"""Measurements, each taken over real HTTP against a running platform."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.api.client import TIMEOUT_S, Connection, DeadlineExceeded, Response, UnexpectedStatus, open_connections
from benchmarks.api.platform import Platform
from benchmarks.api.rows import Limit, Row
from benchmarks.sampling import sampled

ROOT = Path(__file__).parents[2]
BACKTEST = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2023-01-01",
    "end_date": "2023-12-31",
}
BACKTEST_BODY, SLOW_BODY = (json.dumps(BACKTEST | more).encode() for more in ({}, {"strategy": "slow"}))
RUN_ASYNC, RUN, STATUS = "/api/backtests/run-async", "/api/backtests/run?fresh=true", "/api/backtests/status/"
WARM_UP = 10
POLL_S = 0.01
PAUSE_S = 0.1
"""Pause between runs that must not overlap, because the launcher prepares for the next run."""
POLLERS = 100
RUNNING = 2
SAMPLE_S = 2.0
SETTLE_S = 20
ACCEPTED = Limit("p95_ms", 50), Limit("p99_ms", 100)
ACCEPTED_AT_ONCE = (Limit("p99_ms", 1000),)
COMPLETED = (Limit("p95_ms", 300),)
SYNCHRONOUS = Limit("p95_ms", 350), Limit("max_ms", 1000)
POLLED = (Limit("p99_ms", 50),)
POLL_INTERVALS_S: Mapping[float, Sequence[Limit]] = {1.0: POLLED, 0.1: ()}
"""Limits by polling interval: the second given in Retry-After, and a tenth of it as a load test."""
THROUGHPUT = (Limit("runs_per_s", 8, minimum=True),)
MEMORY = (Limit("kept_mib", 64),)
DISK = (Limit("left_over_mib", 1),)


@dataclass(frozen=True)
class Load:
    """Size of the load: requests one at a time, simultaneous tasks, and seconds of polling."""

    requests: int
    at_once: int
    polling_s: float


Tick: TypeAlias = Callable[[], None]
Measure: TypeAlias = Callable[[Platform, Load, Tick], Coroutine[Any, Any, list[Row]]]


async def warm_up(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Fill caches and trigger lazy imports; report nothing."""
    async with open_connections(platform.port) as (api,):
        for _ in range(min(WARM_UP, load.requests // 4)):
            await wait_until_completed(api, await submit(api))
            tick()
    return []


async def one_at_a_time(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit while nothing else is running, and poll until the task is completed."""
    accepted, finished = [], []
    async with open_connections(platform.port) as (api,):
        for _ in range(load.requests):
            began = time.perf_counter()
            response = await api.request("POST", RUN_ASYNC, BACKTEST_BODY)
            await wait_until_completed(api, response.json()["task_id"])
            finished.append((time.perf_counter() - began) * 1e3)
            accepted.append(response.ms)
            await asyncio.sleep(PAUSE_S)
            tick()
    return [
        Row("POST run-async to 202, idle", platform.launcher, accepted, ACCEPTED),
        Row("submit to completed, polled every 10 ms, idle", platform.launcher, finished, COMPLETED),
    ]


async def one_after_another(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit as soon as the previous request is accepted, while the runs queue up."""
    responses = []
    async with open_connections(platform.port) as (api,):
        for _ in range(load.requests):
            responses.append(await api.request("POST", RUN_ASYNC, BACKTEST_BODY))
            tick()
        for response in responses:
            await wait_until_completed(api, response.json()["task_id"], 0.5)
    row = Row(
        "POST run-async to 202, one after another", platform.launcher, [response.ms for response in responses], ACCEPTED
    )
    return [row]


async def sync(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Run synchronously: one request that waits for the result."""
    ms = []
    async with open_connections(platform.port) as (api,):
        for _ in range(load.requests):
            ms.append((await api.request("POST", RUN, BACKTEST_BODY)).ms)
            await asyncio.sleep(PAUSE_S)
            tick()
    return [Row("POST run?fresh=true, idle", platform.launcher, ms, SYNCHRONOUS)]


async def at_once(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit many tasks at the same time; sample the platform's memory and disk until all are completed, and after."""
    before = _usage(platform)
    with sampled(lambda: _usage(platform), SAMPLE_S) as samples:
        responses, seconds = await _submit_all(platform, load, tick)
    peak = {figure: max(sample[figure] for sample in (before, *samples)) for figure in before}
    after, settled_s = await _wait_until_settled(platform, before)
    memory = {"before_mib": before["memory_mib"], "peak_mib": peak["memory_mib"], "after_mib": after["memory_mib"]}
    memory |= {"kept_mib": after["memory_mib"] - before["memory_mib"], "settled_s": settled_s}
    disk = {"before_mib": before["disk_mib"], "peak_mib": peak["disk_mib"], "after_mib": after["disk_mib"]}
    disk |= {f"{name}_kib_a_run": (after[name] - before[name]) / load.at_once * 1024 for name in ("results", "tables")}
    disk |= {"left_over_mib": after["others"] - before["others"]}
    launcher, count = platform.launcher, load.at_once
    return [
        Row("POST run-async to 202, all at once", launcher, [response.ms for response in responses], ACCEPTED_AT_ONCE),
        Row(
            "all at once, until the last is completed", launcher, (), THROUGHPUT, {"runs_per_s": count / seconds}, count
        ),
        Row("memory, all at once", launcher, (), MEMORY, memory, count),
        Row("disk, all at once", launcher, (), DISK, disk, count),
    ]


async def poll_status(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Poll completed tasks with many pollers, then running tasks."""
    async with open_connections(platform.port) as (api,):
        done = [await submit(api) for _ in range(RUNNING)]
        for task in done:
            await wait_until_completed(api, task)
        rows = await _polls(platform, load, tick, "completed", done)
        running = [await submit(api, SLOW_BODY) for _ in range(RUNNING)]
        try:
            for task in running:
                await wait_for_status(api, task, "running")
            rows += await _polls(platform, load, tick, "running", running)
        finally:
            for task in running:
                await api.request("POST", f"/api/backtests/{task}/cancel")
    return rows


async def load_generator(load: Load) -> list[str]:
    """Measure the load generator on its own, against a server that does nothing."""
    with _echo() as port:
        async with open_connections(port) as (api,):
            single = [(await api.request("POST", RUN_ASYNC, BACKTEST_BODY)).ms for _ in range(load.requests)]
        lines = [_format_baseline("one at a time", single)]
        for wait_s in POLL_INTERVALS_S:
            polls = await _poll_all(port, ["0"], wait_s, min(load.polling_s, 3), lambda: None)
            lines.append(_format_baseline(f"{POLLERS} pollers, {POLLERS / wait_s:,.0f}/s", polls))
    return lines


async def submit(api: Connection, body: bytes = BACKTEST_BODY) -> str:
    """Submit a backtest and return its task ID."""
    task: str = (await api.request("POST", RUN_ASYNC, body)).json()["task_id"]
    return task


async def wait_until_completed(api: Connection, task: str, every_s: float = POLL_S) -> None:
    """Poll until a task is completed."""
    await wait_for_status(api, task, "completed", every_s)


async def wait_for_status(api: Connection, task: str, status: str, every_s: float = POLL_S) -> None:
    """Poll until a task has a status.

    Raises:
        UnexpectedStatus: The task ended with another status.
        DeadlineExceeded: The task does not reach the status in time.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while (document := (response := await api.request("GET", STATUS + task)).json())["status"] != status:
        if document["finished_at"]:
            raise UnexpectedStatus(STATUS + task, 200, response.body)
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"{STATUS + task} is not {status}")
        await asyncio.sleep(every_s)


async def _polls(platform: Platform, load: Load, tick: Tick, kind: str, tasks: Sequence[str]) -> list[Row]:
    rows = []
    for wait_s, limits in POLL_INTERVALS_S.items():
        ms = await _poll_all(platform.port, tasks, wait_s, load.polling_s, tick)
        path = f"GET status of {kind} tasks, {POLLERS} pollers, each after {wait_s:g} s"
        rates = {"offered_per_s": POLLERS / wait_s, "answered_per_s": len(ms) / load.polling_s}
        rows.append(Row(path, platform.launcher, ms, limits, rates))
    return rows


async def _poll_all(port: int, tasks: Sequence[str], wait_s: float, seconds: float, tick: Tick) -> list[float]:
    """Return the response times of all pollers, whose starts are spread over one interval; the first second is dropped.

    Args:
        port: Port of the API.
        tasks: Task IDs, assigned to the pollers in turn.
        wait_s: Pause of each poller between a response and its next request.
        seconds: Length of the measurement.
        tick: Called after each response.
    """
    ms: list[float] = []

    async def poll(number: int, api: Connection) -> None:
        await asyncio.sleep(wait_s * number / POLLERS)
        path = STATUS + tasks[number % len(tasks)]
        while time.monotonic() < deadline:
            sent, response = time.monotonic(), await api.request("GET", path)
            if sent >= began:
                ms.append(response.ms)
            tick()
            await asyncio.sleep(wait_s)

    async with open_connections(port, POLLERS) as connections:
        began = time.monotonic() + 1
        deadline = began + seconds
        async with asyncio.TaskGroup() as group:
            for number, api in enumerate(connections):
                group.create_task(poll(number, api))
    return ms


async def _submit_all(platform: Platform, load: Load, tick: Tick) -> tuple[list[Response], float]:
    """Submit all tasks at once; return the responses, and the seconds until the last task was completed."""
    async with open_connections(platform.port, load.at_once) as connections:
        began = time.perf_counter()
        responses = await asyncio.gather(*(api.request("POST", RUN_ASYNC, BACKTEST_BODY) for api in connections))
        for response in responses:
            await wait_until_completed(connections[0], response.json()["task_id"], 5 * POLL_S)
            tick()
        return responses, time.perf_counter() - began


def _usage(platform: Platform) -> dict[str, float]:
    """Return the platform's current memory and disk usage, MiB."""
    disk, results, logs = platform.disk_mib(), platform.disk_mib("tasks"), platform.disk_mib("logs")
    return {
        "memory_mib": platform.memory_mib(),
        "disk_mib": disk,
        "results": results,
        "tables": platform.disk_mib("postgres/data/base"),
        "others": disk - results - logs - platform.disk_mib("postgres"),
    }


async def _wait_until_settled(platform: Platform, before: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Wait until memory is back to normal, up to a limit; return the usage then, and the seconds waited."""
    began = time.monotonic()
    while True:
        now, waited = _usage(platform), time.monotonic() - began
        if now["memory_mib"] - before["memory_mib"] <= MEMORY[0].bound or waited > SETTLE_S:
            return now, waited
        await asyncio.sleep(1)


@contextmanager
def _echo() -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.api.echo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _format_baseline(load: str, ms: Sequence[float]) -> str:
    figures = ", ".join(f"{name} {value:.2f}" for name, value in Row("", "", ms).figures.items())
    return f"load generator on its own, {load}: {figures}"
