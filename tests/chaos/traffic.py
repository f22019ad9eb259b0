"""Clients that submit, cancel and poll backtests, and record what they observe."""

import json
import random
import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx2

from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import assemble_result, find_candles, simulate_symbol
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import CandlesNotFound
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.chaos.accountant import FINAL, History, Observation, Submission
from tests.platforms import Platform, query_database

RECORDING_STRATEGY = """
import os
import time
from contextlib import suppress
from pathlib import Path
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

HERE = Path(__file__).parent

class Params(StrategyParams):
    number: int = Field(0, ge=0)
    every: int = Field(2, ge=2, le=1000)

class Counted(Strategy[Params]):
    name = "counted"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        if len(bars) > 650:  # not in the look-ahead check or in the registry's trial
            with suppress(OSError), (HERE / "calls").open("a") as calls:  # the disk may be full
                calls.write(f"{params.number} {os.getpid()}\\n")
            with suppress(FileNotFoundError):
                time.sleep(float((HERE / "pause").read_text()))
        return Signals(entries=[i % params.every == 0 for i in range(len(bars))], hold=1)
"""
"""A strategy that records which process computes it, and then sleeps for the seconds in a file."""
CLIENTS = 3
CLIENT_TIMEOUT_S = 10
DATABASE_TIMEOUT_S = 2
NUMBERS_PER_SEED = 84_000
"""Backtests of different seeds have different numbers; a multiple of every cycle below."""
ATTEMPTS = """
    select coalesce(root.value, runs.run_id), case when cancelled.value is null then status else 'CANCELED' end
    from runs left join run_tags root on root.run_id = runs.run_id and root.key = 'dagster/root_run_id'
    left join run_tags cancelled on cancelled.run_id = runs.run_id and cancelled.key = 'coin/cancelled'
    order by runs.id"""
"""The run of the first attempt identifies the task; a tag marks one that was cancelled between two attempts."""
ENDS = "select run_id, end_time from runs where end_time is not null"
FINAL_OBSERVATIONS = 5
"""Number of times that a task is polled after it has ended, before the last observation of all."""


class Traffic:
    """Clients that submit backtests with keys until they are acknowledged, and one that polls all; a context manager.

    Every backtest is unique. One in fifteen has no candles and must fail, one in twelve is cancelled, one in five is
    submitted again after its acknowledgement, unless `plain`.

    Attributes:
        history: What the clients observed.
        kill_times: Wall-clock time when the worker of each run was killed.

    Args:
        platform: The platform under test.
        seed: Seed of all random choices; also part of the keys.
        tasks: Least number of submissions; more follow until `settle`.
        plain: Submit exactly `tasks` backtests that can all complete.
        backlog: Greatest number of unfinished tasks.
    """

    def __init__(self, platform: Platform, seed: int, tasks: int, *, plain: bool = False, backlog: int = 12) -> None:
        self.history = History()
        self.kill_times: dict[str, float] = {}
        self._base_url, self._root = platform.api.base_url, platform.root
        self._seed, self._tasks, self._backlog, self._plain = seed, tasks, backlog, plain
        self._closing, self._stopped = threading.Event(), threading.Event()
        first = seed * NUMBERS_PER_SEED
        self._numbers = iter(range(first, first + (tasks if plain else NUMBERS_PER_SEED)))
        self._lock = threading.Lock()
        self._catalog = CandleCatalog(platform.root)
        self._registry = _undisturbed_registry(platform.root)
        self._earlier = _attempts(platform.root).keys()
        self._submitters = [threading.Thread(target=self._submit_all) for _ in range(CLIENTS)]
        self._poller = threading.Thread(target=self._poll_all)

    def __enter__(self) -> Self:
        for thread in (*self._submitters, self._poller):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._stopped.set()
        for thread in (*self._submitters, self._poller):
            thread.join()

    def acknowledged(self) -> int:
        """Return the number of acknowledged submissions."""
        return sum(bool(submission.task_ids) for submission in self.history.submissions)

    def unfinished(self) -> list[str]:
        """Return the acknowledged tasks that have not been observed to end."""
        return [task_id for task_id, seen in list(self.history.observations.items()) if not _is_final(seen)]

    def settle(self, timeout_s: float) -> None:
        """Submit the remaining backtests, wait until every task has ended, and observe all of them once more."""
        began, deadline = time.monotonic(), time.monotonic() + timeout_s
        while self.acknowledged() < self._tasks and time.monotonic() < deadline:
            time.sleep(0.05)
        self._closing.set()
        for thread in self._submitters:
            thread.join(max(0.0, deadline - time.monotonic()))
        while (self.unfinished() or self._without_manifest()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.history.settling_s = time.monotonic() - began
        self._stopped.set()
        self._poller.join()
        with self._client() as client:
            for task_id in list(self.history.observations):
                self._observe(client, task_id)
        attempts = _attempts(self._root)
        self.history.attempts = {task_id: attempts[task_id] for task_id in attempts.keys() - self._earlier}
        ends = dict(query_database(self._root, ENDS, timeout_s=DATABASE_TIMEOUT_S))
        self.history.detection_s = [ends[run_id] - at for run_id, at in self.kill_times.items() if run_id in ends]
        self._count_executions()

    def _submit_all(self) -> None:
        with self._client() as client:
            while not self._closing.wait(0.02):
                if len(self.unfinished()) < self._backlog:
                    with self._lock:
                        number = next(self._numbers, None)
                    if number is None:
                        return
                    self._submit(client, number)

    def _submit(self, client: httpx2.Client, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 -- repeatable
        body = _body(number, feasible=self._plain or number % 15 != 7)
        submission = Submission(f"chaos-{number}", body, self._undisturbed(body))
        self.history.submissions.append(submission)
        self._acknowledge(client, submission)
        if submission.task_ids and chance.random() < 0.2:
            self._acknowledge(client, submission)
        if submission.task_ids and number % 12 == 11 and not self._plain:
            time.sleep(chance.uniform(0, 2))
            self._cancel(client, submission)

    def _acknowledge(self, client: httpx2.Client, submission: Submission) -> None:
        headers = {"Idempotency-Key": submission.key}
        while not self._stopped.is_set():
            answer = self._request(client, "POST", "/api/backtests/run-async", json=submission.body, headers=headers)
            if answer is not None and answer.status_code == 202:
                submission.task_ids.append(answer.json()["task_id"])
                self.history.observations.setdefault(answer.json()["task_id"], [])
                return
            if answer is not None and answer.status_code < 500 and answer.status_code != 429:
                submission.rejections.append(f"{answer.status_code} {answer.text[:200]}")
                return
            time.sleep(0.2)

    def _cancel(self, client: httpx2.Client, submission: Submission) -> None:
        while not self._stopped.is_set():
            answer = self._request(client, "POST", f"/api/backtests/{submission.task_ids[0]}/cancel")
            if answer is not None and answer.status_code < 500:
                submission.cancelled = answer.status_code == 200  # otherwise it has ended already
                return
            time.sleep(0.2)

    def _poll_all(self) -> None:
        with self._client() as client:
            while not self._stopped.wait(0.05):
                for task_id, seen in list(self.history.observations.items()):
                    final = [observation for observation in seen[-FINAL_OBSERVATIONS:] if observation.status in FINAL]
                    if len(final) < FINAL_OBSERVATIONS or task_id not in self.history.manifests:
                        self._observe(client, task_id)

    def _observe(self, client: httpx2.Client, task_id: str) -> None:
        answer = self._request(client, "GET", f"/api/backtests/status/{task_id}")
        if answer is None or answer.status_code == 429 or answer.status_code >= 500:
            return
        if answer.status_code == 404:
            self.history.observations[task_id].append(Observation(time.monotonic(), "unknown"))
            return
        task = answer.json()
        digest = task["result"] and task["result"]["result_sha256"]
        observation = Observation(time.monotonic(), task["status"], task["progress"], task["error"], digest)
        self.history.observations[task_id].append(observation)
        with suppress(FileNotFoundError):
            manifest = self._root / "tasks" / task_id / "manifest.json"
            version = f"{manifest.stat().st_ino} {manifest.stat().st_mtime_ns}"
            status = json.loads(manifest.read_bytes())["status"]
            self.history.manifests.setdefault(task_id, []).append((version, status))

    def _request(self, client: httpx2.Client, method: str, path: str, **content: Any) -> httpx2.Response | None:  # noqa: ANN401
        """Return the response, or None if there is none; count it either way."""
        try:
            answer = client.request(method, path, **content)
        except httpx2.HTTPError as error:
            kind, answer = type(error).__name__, None
            time.sleep(0.05)
        else:
            kind = str(answer.status_code)
        self.history.responses[kind] = self.history.responses.get(kind, 0) + 1
        return answer

    def _client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self._base_url, timeout=CLIENT_TIMEOUT_S)

    def _undisturbed(self, body: dict[str, Any]) -> str | None:
        """Return the digest of the result, computed in this process without Dagster."""
        spec = resolve(parse_request(body), self._registry)
        try:
            tasks = find_candles(self._catalog, spec, "tasks")
        except CandlesNotFound:
            return None
        tables = [simulate_symbol(self._catalog, self._registry, task) for task in tasks]
        result = assemble_result("undisturbed", tables, self._catalog, self._registry, "test", datetime.now(UTC))
        return str(result.document["result_sha256"])

    def _without_manifest(self) -> list[str]:
        return [task_id for task_id in self.history.observations if task_id not in self.history.manifests]

    def _count_executions(self) -> None:
        calls = self._root / "calls"
        executions = {tuple(line.split()) for line in calls.read_text().splitlines()} if calls.exists() else set()
        for submission in self.history.submissions:
            number = str(submission.body["params"]["number"])
            submission.executions = sum(number == executed for executed, _ in executions)


def _body(number: int, *, feasible: bool) -> dict[str, Any]:
    """Return a unique request, for a market that has candles or for one that has none."""
    start = date(2023, 1, 1) + timedelta(days=number % 60)
    symbols = [["AAA_KRW"], ["BBB_KRW"], ["AAA_KRW", "BBB_KRW"]][number % 3] if feasible else ["NONE_KRW"]
    return {
        "strategy": "counted",
        "params": {"number": number, "every": 2 + number % 7},
        "symbols": symbols,
        "start_date": start.isoformat(),
        "end_date": "2024-12-31",
    }


def _undisturbed_registry(root: Path) -> StrategyRegistry:
    """Return the strategies from a copy of the file, which records calls separately from the platform's."""
    copy = root / "undisturbed" / "counted.py"
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(RECORDING_STRATEGY)
    return load_registry((copy,))


def _attempts(root: Path) -> dict[str, list[str]]:
    """Return the status of every run in Dagster's storage, by task and in the order of the attempts."""
    statuses: dict[str, list[str]] = {}
    for task_id, status in query_database(root, ATTEMPTS, timeout_s=DATABASE_TIMEOUT_S):
        statuses.setdefault(task_id, []).append(status)
    return statuses


def _is_final(observations: list[Observation]) -> bool:
    return bool(observations) and observations[-1].status in FINAL
