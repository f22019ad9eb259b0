"""What is measured, each over real HTTP against a running platform."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.api.client import PATIENCE_S, Answer, Connection, Late, Refused, connected
from benchmarks.api.platform import Platform
from benchmarks.api.rows import Limit, Row

ROOT = Path(__file__).parents[2]
BACKTEST = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2023-01-01",
    "end_date": "2023-12-31",
}
BODY, PATIENT = (json.dumps(BACKTEST | more).encode() for more in ({}, {"strategy": "patient"}))
RUN_ASYNC, RUN, STATUS = "/api/backtests/run-async", "/api/backtests/run?fresh=true", "/api/backtests/status/"
WARM_UP = 10
POLL_S = 0.01
PAUSE_S = 0.1
"""Between runs that must not overlap: what started one prepares for the next."""
POLLERS = 100
RUNNING = 2
SAMPLE_S = 2.0
SETTLE_S = 20
ACCEPTED = Limit("p95_ms", 50), Limit("p99_ms", 100)
CROWDED = (Limit("p99_ms", 1000),)
COMPLETED = (Limit("p95_ms", 300),)
SYNC = Limit("p95_ms", 350), Limit("max_ms", 1000)
POLLED = (Limit("p99_ms", 50),)
POLLER_WAITS_S: Mapping[float, Sequence[Limit]] = {1.0: POLLED, 0.1: ()}
"""What a poller waits, and what is asked: the second that Retry-After tells, and a tenth to see how much is borne."""
DRAINED = (Limit("runs_per_s", 8, least=True),)
MEMORY = (Limit("kept_mib", 64),)
DISK = (Limit("left_over_mib", 1),)


@dataclass(frozen=True)
class Load:
    """How much of each: requests one at a time, tasks at once, and seconds of polling."""

    requests: int
    at_once: int
    polling_s: float


Tick: TypeAlias = Callable[[], None]
Measure: TypeAlias = Callable[[Platform, Load, Tick], Coroutine[Any, Any, list[Row]]]


async def warm_up(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Let caches fill and lazy imports happen; tell nothing."""
    async with connected(platform.port) as (api,):
        for _ in range(min(WARM_UP, load.requests // 4)):
            await completed(api, await submitted(api))
            tick()
    return []


async def one_at_a_time(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit when nothing else is under way, and poll until the task is completed."""
    accepted, seen = [], []
    async with connected(platform.port) as (api,):
        for _ in range(load.requests):
            began = time.perf_counter()
            answer = await api.ask("POST", RUN_ASYNC, BODY)
            await completed(api, answer.json()["task_id"])
            seen.append((time.perf_counter() - began) * 1e3)
            accepted.append(answer.ms)
            await asyncio.sleep(PAUSE_S)
            tick()
    return [
        Row("POST run-async to 202, idle", platform.launcher, accepted, ACCEPTED),
        Row("submit to completed, polled every 10 ms, idle", platform.launcher, seen, COMPLETED),
    ]


async def one_after_another(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit as soon as the one before is accepted, while the runs of all of them pile up."""
    answers = []
    async with connected(platform.port) as (api,):
        for _ in range(load.requests):
            answers.append(await api.ask("POST", RUN_ASYNC, BODY))
            tick()
        for answer in answers:
            await completed(api, answer.json()["task_id"], 0.5)
    row = Row("POST run-async to 202, one after another", platform.launcher, [one.ms for one in answers], ACCEPTED)
    return [row]


async def sync(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Run and wait for the result in one request."""
    ms = []
    async with connected(platform.port) as (api,):
        for _ in range(load.requests):
            ms.append((await api.ask("POST", RUN, BODY)).ms)
            await asyncio.sleep(PAUSE_S)
            tick()
    return [Row("POST run?fresh=true, idle", platform.launcher, ms, SYNC)]


async def at_once(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Submit many tasks in the same moment; watch the platform until all are completed, and after."""
    before = _usage(platform)
    with _watched(platform) as seen:
        answers, seconds = await _drained(platform, load, tick)
    peak = {figure: max(one[figure] for one in (before, *seen)) for figure in before}
    after, settled_s = await _settled(platform, before)
    memory = {"before_mib": before["memory_mib"], "peak_mib": peak["memory_mib"], "after_mib": after["memory_mib"]}
    memory |= {"kept_mib": after["memory_mib"] - before["memory_mib"], "settled_s": settled_s}
    disk = {"before_mib": before["disk_mib"], "peak_mib": peak["disk_mib"], "after_mib": after["disk_mib"]}
    disk |= {f"{name}_kib_a_run": (after[name] - before[name]) / load.at_once * 1024 for name in ("results", "tables")}
    disk |= {"left_over_mib": after["others"] - before["others"]}
    ours, count = platform.launcher, load.at_once
    return [
        Row("POST run-async to 202, all at once", ours, [one.ms for one in answers], CROWDED),
        Row("all at once, until the last is completed", ours, (), DRAINED, {"runs_per_s": count / seconds}, count),
        Row("memory, all at once", ours, (), MEMORY, memory, count),
        Row("disk, all at once", ours, (), DISK, disk, count),
    ]


async def polled(platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Have many pollers ask about tasks that are completed, then about tasks that are under way."""
    async with connected(platform.port) as (api,):
        done = [await submitted(api) for _ in range(RUNNING)]
        for task in done:
            await completed(api, task)
        rows = await _polls(platform, load, tick, "completed", done)
        running = [await submitted(api, PATIENT) for _ in range(RUNNING)]
        try:
            for task in running:
                await reached(api, task, "running")
            rows += await _polls(platform, load, tick, "running", running)
        finally:
            for task in running:
                await api.ask("POST", f"/api/backtests/{task}/cancel")
    return rows


async def itself(load: Load) -> list[str]:
    """Measure the load generator alone, against a server that does nothing."""
    with _echo() as port:
        async with connected(port) as (api,):
            single = [(await api.ask("POST", RUN_ASYNC, BODY)).ms for _ in range(load.requests)]
        lines = [_alone("one at a time", single)]
        for wait_s in POLLER_WAITS_S:
            polls = await _poll_all(port, ["0"], wait_s, min(load.polling_s, 3), lambda: None)
            lines.append(_alone(f"{POLLERS} pollers, {POLLERS / wait_s:,.0f}/s", polls))
    return lines


async def submitted(api: Connection, body: bytes = BODY) -> str:
    """Submit a backtest and return its task."""
    task: str = (await api.ask("POST", RUN_ASYNC, body)).json()["task_id"]
    return task


async def completed(api: Connection, task: str, every_s: float = POLL_S) -> None:
    """Poll until a task is completed."""
    await reached(api, task, "completed", every_s)


async def reached(api: Connection, task: str, wanted: str, every_s: float = POLL_S) -> None:
    """Poll until a task has a status.

    Raises:
        Refused: it ended in another one.
        Late: it does not get there.
    """
    deadline = time.monotonic() + PATIENCE_S
    while (found := (answer := await api.ask("GET", STATUS + task)).json())["status"] != wanted:
        if found["finished_at"]:
            raise Refused(STATUS + task, 200, answer.body)
        if time.monotonic() > deadline:
            raise Late(f"{STATUS + task} is not {wanted}")
        await asyncio.sleep(every_s)


async def _polls(platform: Platform, load: Load, tick: Tick, kind: str, tasks: Sequence[str]) -> list[Row]:
    rows = []
    for wait_s, limits in POLLER_WAITS_S.items():
        ms = await _poll_all(platform.port, tasks, wait_s, load.polling_s, tick)
        path = f"GET status of {kind} tasks, {POLLERS} pollers, each after {wait_s:g} s"
        rates = {"offered_per_s": POLLERS / wait_s, "answered_per_s": len(ms) / load.polling_s}
        rows.append(Row(path, platform.launcher, ms, limits, rates))
    return rows


async def _poll_all(port: int, tasks: Sequence[str], wait_s: float, seconds: float, tick: Tick) -> list[float]:
    """Return the times of the polls of all pollers, who begin spread over one wait; the first second is left out."""
    ms: list[float] = []

    async def poll(number: int, api: Connection) -> None:
        await asyncio.sleep(wait_s * number / POLLERS)
        path = STATUS + tasks[number % len(tasks)]
        while time.monotonic() < deadline:
            asked, answer = time.monotonic(), await api.ask("GET", path)
            if asked >= began:
                ms.append(answer.ms)
            tick()
            await asyncio.sleep(wait_s)

    async with connected(port, POLLERS) as connections:
        began = time.monotonic() + 1
        deadline = began + seconds
        async with asyncio.TaskGroup() as group:
            for number, api in enumerate(connections):
                group.create_task(poll(number, api))
    return ms


async def _drained(platform: Platform, load: Load, tick: Tick) -> tuple[list[Answer], float]:
    """Submit all at once; return the answers, and the seconds until the last task was completed."""
    async with connected(platform.port, load.at_once) as connections:
        began = time.perf_counter()
        answers = await asyncio.gather(*(api.ask("POST", RUN_ASYNC, BODY) for api in connections))
        for answer in answers:
            await completed(connections[0], answer.json()["task_id"], 5 * POLL_S)
            tick()
        return answers, time.perf_counter() - began


def _usage(platform: Platform) -> dict[str, float]:
    """Return what the platform holds now, MiB."""
    disk, results, logs = platform.disk_mib(), platform.disk_mib("tasks"), platform.disk_mib("logs")
    return {
        "memory_mib": platform.memory_mib(),
        "disk_mib": disk,
        "results": results,
        "tables": platform.disk_mib("postgres/data/base"),
        "others": disk - results - logs - platform.disk_mib("postgres"),
    }


@contextmanager
def _watched(platform: Platform) -> Iterator[list[dict[str, float]]]:
    """Take what the platform holds now and then, seldom enough not to disturb it."""
    seen: list[dict[str, float]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLE_S):
            seen.append(_usage(platform))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


async def _settled(platform: Platform, before: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Wait until memory is back, at most for a while; return what is held then, and the seconds that took."""
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


def _alone(how: str, ms: Sequence[float]) -> str:
    figures = ", ".join(f"{name} {value:.2f}" for name, value in Row("", "", ms).figures.items())
    return f"the load generator alone, {how}: {figures}"
