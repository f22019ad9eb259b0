"""Clients that submit and follow backtests, and the faults that happen to the platform meanwhile."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx2
import psycopg2

from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import assemble_result, find_candles, simulate_symbol
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.embedded.cluster import DATABASE, USER
from coin_pipeline.errors import CandlesNotFound
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.chaos.accountant import ENDED, History, Sight, Submission
from tests.conftest import store_candles
from tests.e2e.conftest import Platform, left_running, programs_of, start_platform, state_of, stop_platform

COUNTED = """
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
        if len(bars) > 650:  # not when the look-ahead check or the registry tries it
            with suppress(OSError), (HERE / "calls").open("a") as calls:  # the disk may be full
                calls.write(f"{params.number} {os.getpid()}\\n")
            with suppress(FileNotFoundError):
                time.sleep(float((HERE / "pause").read_text()))
        return Signals(entries=[i % params.every == 0 for i in range(len(bars))], hold=1)
"""
"""A strategy that notes by whom it is computed, and takes as long as a file says."""
CLIENTS = 3
PATIENCE_S = 10
ATTEMPTS = """
    select coalesce(root.value, runs.run_id), case when cancelled.value is null then status else 'CANCELED' end
    from runs left join run_tags root on root.run_id = runs.run_id and root.key = 'dagster/root_run_id'
    left join run_tags cancelled on cancelled.run_id = runs.run_id and cancelled.key = 'coin/cancelled'
    order by runs.id"""
"""A task is known by the run of the first attempt at it; its tag tells if it was cancelled between two attempts."""
WORKERS = "select run_id, pid from runs join coin.lease using (run_id) where status in ('STARTED', 'CANCELING')"
ENDS = "select run_id, end_time from runs where end_time is not null"
ENOUGH_LOOKS = 5
"""At a task that has ended, until the last look of all."""


@contextmanager
def started(root: Path, pause_s: float = 0, **environment: str) -> Iterator[Platform]:
    """Run the platform over generated candles with the strategy that counts; stop it if nobody has."""
    store_candles(root)
    (root / "counted.py").write_text(COUNTED)
    if pause_s:
        (root / "pause").write_text(str(pause_s))
    platform = start_platform(root, "--strategy-file", str(root / "counted.py"), **environment)
    try:
        yield platform
    finally:
        if platform.process.poll() is None:
            stop_platform(platform)


class Traffic:
    """Clients that submit backtests with keys until they are acknowledged, and one that polls all; a context manager.

    Each backtest is unlike any other. One in fifteen has no candles and must fail, one in twelve is cancelled, one in
    five is submitted again after it was acknowledged; unless all are to be plain.

    Attributes:
        history: What they saw.
        struck: When the worker of a run was killed, by the wall clock.

    Args:
        platform: To which they submit.
        seed: Of what is picked at random; also a part of the keys.
        tasks: How many at least; more are submitted until `settle`.
        plain: Exactly so many, and all of them can complete.
        backlog: How many at most are under way.
    """

    def __init__(self, platform: Platform, seed: int, tasks: int, *, plain: bool = False, backlog: int = 12) -> None:
        self.history = History()
        self.struck: dict[str, float] = {}
        self._base_url, self._root = platform.api.base_url, platform.root
        self._seed, self._tasks, self._backlog, self._plain = seed, tasks, backlog, plain
        self._closing, self._over = threading.Event(), threading.Event()
        self._numbers = iter(range(tasks if plain else 10**9))
        self._lock = threading.Lock()
        self._catalog = CandleCatalog(platform.root)
        self._registry = _undisturbed_registry(platform.root)
        self._earlier = _recorded(platform.root).keys()
        self._submitters = [threading.Thread(target=self._submit_all) for _ in range(CLIENTS)]
        self._poller = threading.Thread(target=self._poll_all)

    def __enter__(self) -> Self:
        for thread in (*self._submitters, self._poller):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._over.set()
        for thread in (*self._submitters, self._poller):
            thread.join()

    def acknowledged(self) -> int:
        """Return how many submissions were acknowledged so far."""
        return sum(bool(submission.task_ids) for submission in self.history.submissions)

    def unended(self) -> list[str]:
        """Return the tasks that were acknowledged and not yet seen to have ended."""
        return [task_id for task_id, seen in list(self.history.sights.items()) if not _ended(seen)]

    def settle(self, timeout_s: float) -> None:
        """Submit what is missing, then wait until all is acknowledged and has ended; look at everything once more."""
        began, deadline = time.monotonic(), time.monotonic() + timeout_s
        while self.acknowledged() < self._tasks and time.monotonic() < deadline:
            time.sleep(0.1)
        self._closing.set()
        for thread in self._submitters:
            thread.join(max(0.0, deadline - time.monotonic()))
        while (self.unended() or self._without_manifest()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.history.backlog_s = time.monotonic() - began
        self._over.set()
        self._poller.join()
        with self._client() as client:
            for task_id in list(self.history.sights):
                self._look(client, task_id)
        found = _recorded(self._root)
        self.history.recorded = {run_id: found[run_id] for run_id in found.keys() - self._earlier}
        ends = dict(_query(self._root, ENDS))
        self.history.shown_s = [ends[run_id] - at for run_id, at in self.struck.items() if run_id in ends]
        self._count_computations()

    def _submit_all(self) -> None:
        with self._client() as client:
            while not self._closing.wait(0.02):
                if len(self.unended()) < self._backlog:
                    with self._lock:
                        number = next(self._numbers, None)
                    if number is None:
                        return
                    self._submit(client, number)

    def _submit(self, client: httpx2.Client, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 -- repeatable
        body = _body(number, possible=self._plain or number % 15 != 7)
        submission = Submission(f"chaos-{self._seed}-{number}", body, self._undisturbed(body))
        self.history.submissions.append(submission)
        self._acknowledge(client, submission)
        if submission.task_ids and chance.random() < 0.2:
            self._acknowledge(client, submission)
        if submission.task_ids and number % 12 == 11 and not self._plain:
            time.sleep(chance.uniform(0, 2))
            self._cancel(client, submission)

    def _acknowledge(self, client: httpx2.Client, submission: Submission) -> None:
        headers = {"Idempotency-Key": submission.key}
        while not self._over.is_set():
            submission.asked += 1
            answer = self._ask(client, "POST", "/api/backtests/run-async", json=submission.body, headers=headers)
            if answer is not None and answer.status_code == 202:
                submission.task_ids.append(answer.json()["task_id"])
                self.history.sights.setdefault(answer.json()["task_id"], [])
                return
            if answer is not None and answer.status_code < 500 and answer.status_code != 429:
                submission.refusals.append(f"{answer.status_code} {answer.text[:200]}")
                return
            time.sleep(0.2)

    def _cancel(self, client: httpx2.Client, submission: Submission) -> None:
        while not self._over.is_set():
            answer = self._ask(client, "POST", f"/api/backtests/{submission.task_ids[0]}/cancel")
            if answer is not None and answer.status_code < 500:
                submission.cancelled = answer.status_code == 200  # else it has ended already
                return
            time.sleep(0.2)

    def _poll_all(self) -> None:
        with self._client() as client:
            while not self._over.wait(0.05):
                for task_id, seen in list(self.history.sights.items()):
                    looks = len([sight for sight in seen[-ENOUGH_LOOKS:] if sight.status in ENDED])
                    if looks < ENOUGH_LOOKS or task_id not in self.history.files:
                        self._look(client, task_id)

    def _look(self, client: httpx2.Client, task_id: str) -> None:
        answer = self._ask(client, "GET", f"/api/backtests/status/{task_id}")
        if answer is None or answer.status_code == 429 or answer.status_code >= 500:
            return
        if answer.status_code == 404:
            self.history.sights[task_id].append(Sight(time.monotonic(), "unknown"))
            return
        said = answer.json()
        digest = said["result"] and said["result"]["result_sha256"]
        sight = Sight(time.monotonic(), said["status"], said["progress"], said["error"], digest)
        self.history.sights[task_id].append(sight)
        with suppress(FileNotFoundError):
            manifest = self._root / "tasks" / task_id / "manifest.json"
            version = f"{manifest.stat().st_ino} {manifest.stat().st_mtime_ns}"
            status = json.loads(manifest.read_bytes())["status"]
            self.history.files.setdefault(task_id, []).append((version, status))

    def _ask(self, client: httpx2.Client, method: str, path: str, **sent: Any) -> httpx2.Response | None:  # noqa: ANN401
        """Return the answer, None where there is none; answers are counted."""
        try:
            answer = client.request(method, path, **sent)
        except httpx2.HTTPError as error:
            kind, answer = type(error).__name__, None
            time.sleep(0.05)
        else:
            kind = str(answer.status_code)
        self.history.answers[kind] = self.history.answers.get(kind, 0) + 1
        return answer

    def _client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self._base_url, timeout=PATIENCE_S)

    def _undisturbed(self, body: dict[str, Any]) -> str | None:
        """Return the digest of the result, computed here and without Dagster."""
        spec = resolve(parse_request(body), self._registry)
        try:
            pieces = find_candles(self._catalog, spec, "tasks")
        except CandlesNotFound:
            return None
        tables = [simulate_symbol(self._catalog, self._registry, piece) for piece in pieces]
        result = assemble_result("undisturbed", tables, self._catalog, self._registry, "test", datetime.now(UTC))
        return str(result.document["result_sha256"])

    def _without_manifest(self) -> list[str]:
        return [task_id for task_id in self.history.sights if task_id not in self.history.files]

    def _count_computations(self) -> None:
        calls = self._root / "calls"
        by_whom = {tuple(line.split()) for line in calls.read_text().splitlines()} if calls.exists() else set()
        for submission in self.history.submissions:
            number = str(submission.body["params"].get("number"))
            submission.computed = sum(number == each for each, _ in by_whom)


def workers(root: Path) -> dict[str, int]:
    """Return the pids of the processes that execute runs, by run, as their leases name them."""
    try:
        found = dict(_query(root, WORKERS))
    except psycopg2.Error:
        return {}  # the database is away
    return {run_id: pid for run_id, pid in found.items() if state_of(pid) not in "ZX"}


def kill_at_random(traffic: Traffic, platform: Platform, seed: int, kills: int, pace_s: float) -> None:
    """Kill -9 processes of the platform, until so many are killed: half of them workers, the rest programs.

    A program takes seconds to start, so the next one dies `pace_s` later on average, some while they start; a worker
    that executes a run is killed in between.
    """
    chance, killed = random.Random(seed), traffic.history.kills  # noqa: S311 -- repeatable
    due = time.monotonic()
    while sum(killed.values()) < kills:
        assert platform.process.poll() is None, (platform.root / "up.log").read_text()
        if killed.get("worker", 0) * 2 < sum(killed.values()):
            kill_worker(traffic, platform)
        if time.monotonic() > due:
            kill_program(traffic, platform, chance)
            due += chance.expovariate(1 / pace_s)
        time.sleep(chance.uniform(0, 0.2))


def kill_worker(traffic: Traffic, platform: Platform) -> None:
    """Kill -9 the worker of some task, if one is executed now."""
    for run_id, pid in list(workers(platform.root).items())[:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            traffic.struck.setdefault(run_id, time.time())
            traffic.history.kills["worker"] = traffic.history.kills.get("worker", 0) + 1


def kill_program(traffic: Traffic, platform: Platform, chance: random.Random) -> None:
    """Kill -9 one program."""
    name, pid = chance.choice(sorted(programs_of(platform.process.pid).items()))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        traffic.history.kills[name] = traffic.history.kills.get(name, 0) + 1


@contextmanager
def stopped_postgres(root: Path) -> Iterator[None]:
    """Kill the database server, and keep its supervisor from starting it again."""
    supervisor = _supervisor(root)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(_postmaster(root), signal.SIGKILL)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@contextmanager
def hung_postgres(root: Path) -> Iterator[None]:
    """Stop the database server and all its processes in the middle of what they do, and let them go on."""
    server = _postmaster(root)
    pids = [_supervisor(root), server, *_children(server)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process in the middle of what it does, and let it go on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # somebody may have ended it
            os.kill(pid, signal.SIGCONT)


def kill_host(platform: Platform) -> None:
    """Kill -9 everything at once, the database included, as a power cut does."""
    pids = [platform.process.pid, _supervisor(platform.root), _postmaster(platform.root)]
    pids += [pid for pid in _all_pids() if _environment_of(pid, platform.root)]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    platform.process.wait()


def start_again(platform: Platform) -> Platform:
    """Start the platform over what is there, on the ports that its clients know."""
    ports = [int(url.rpartition(":")[2].rstrip("/")) for url in (str(platform.api.base_url), platform.ui_url)]
    return start_platform(platform.root, "--strategy-file", str(platform.root / "counted.py"), ports=ports)


@contextmanager
def full_disk(root: Path) -> Iterator[None]:
    """Fill the disk on which the platform lies, to the last byte."""
    ballast = root / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink()


def memory_mib(root: Path) -> float:
    """Return the memory of all processes of the platform, shared pages counted once."""
    server = _postmaster(root)
    total = 0
    for pid in {server, *_children(server), *(pid for pid in _all_pids() if _environment_of(pid, root))}:
        with suppress(OSError):  # it ended while we looked
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def disk_mib(root: Path) -> float:
    """Return the disk that the platform takes."""
    total = 0
    for path in root.rglob("*"):
        with suppress(OSError):  # it was removed while we looked
            total += path.lstat().st_blocks * 512
    return total / 2**20


def wait_for(condition: Callable[[], Any], timeout_s: float) -> Any:  # noqa: ANN401
    """Return what the condition returned once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {timeout_s} s: {condition}"
        time.sleep(0.05)
    return found


def stop_and_look(platform: Platform, history: History) -> None:
    """Stop the platform in an orderly way and note what is left."""
    assert platform.process.poll() is None, (platform.root / "up.log").read_text()
    assert stop_platform(platform) == 0
    history.left = left_running(platform.root)


def _body(number: int, *, possible: bool) -> dict[str, Any]:
    """Return a request unlike any other, for a market that has candles or for one that has none."""
    start = date(2023, 1, 1) + timedelta(days=number % 60)
    symbols = [["AAA_KRW"], ["BBB_KRW"], ["AAA_KRW", "BBB_KRW"]][number % 3] if possible else ["NONE_KRW"]
    return {
        "strategy": "counted",
        "params": {"number": number, "every": 2 + number % 7},
        "symbols": symbols,
        "start_date": start.isoformat(),
        "end_date": "2024-12-31",
    }


def _undisturbed_registry(root: Path) -> StrategyRegistry:
    """Return the strategies from a copy of the file, whose calls are not counted among the platform's."""
    copy = root / "undisturbed" / "counted.py"
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(COUNTED)
    return load_registry((copy,))


def _recorded(root: Path) -> dict[str, list[str]]:
    """Return the status of every run in Dagster's storage, by task and in the order of the attempts."""
    found: dict[str, list[str]] = {}
    for task_id, status in _query(root, ATTEMPTS):
        found.setdefault(task_id, []).append(status)
    return found


def _query(root: Path, statement: str) -> list[tuple[Any, ...]]:
    port, password = ((root / "postgres" / name).read_text() for name in ("port", "password"))
    url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
    with closing(psycopg2.connect(url, connect_timeout=2)) as connection, connection.cursor() as cursor:
        cursor.execute("set statement_timeout = '2s'")
        cursor.execute(statement)
        return cursor.fetchall()


def _ended(seen: list[Sight]) -> bool:
    return bool(seen) and seen[-1].status in ENDED


def _supervisor(root: Path) -> int:
    return int((root / "postgres/supervisor.lock").read_text())


def _postmaster(root: Path) -> int:
    return int((root / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def _children(pid: int) -> list[int]:
    found = []
    for other in _all_pids():
        with suppress(OSError):
            if int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(other)
    return found


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _environment_of(pid: int, root: Path) -> bool:
    """Return whether a process was started for this DATA_ROOT."""
    try:
        return f"DATA_ROOT={root}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
