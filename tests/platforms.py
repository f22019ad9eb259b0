"""Platforms under test: `coin up` in a process of its own, the requests that tests send to it, and its processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psycopg2

from coin_pipeline.database.embedded.cluster import DATABASE, USER

T = TypeVar("T")
COIN = Path(sys.executable).with_name("coin")
START_TIMEOUT_S = 200
"""A little more than the time after which `coin up` itself gives up."""
STARTED = "Press Ctrl-C to stop"
STOP_TIMEOUT_S = 40
POLL_S = 0.05
SHORT_INTERVALS = {
    "COIN_LEASE_SECONDS": "2",
    "COIN_MONITOR_SECONDS": "1",
    "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
    "DAGSTER_DAEMON_CORE_LOOP_EXCEPTION_SLEEP_INTERVAL": "1",
}
"""How soon a lost run is noticed, how often Dagster's daemon looks for runs to retry, and its pause after an error."""
BACKTEST: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}
"""A request that `tests.conftest.store_candles` has candles for."""
UNFINISHED = frozenset({"queued", "running"})
PROGRAMS = frozenset({"pool", "code-server", "daemon", "webserver", "api"})
"""Names of the processes of `coin up`."""


@dataclass(frozen=True)
class Platform:
    """A running platform.

    Attributes:
        process: The process of `coin up`.
        root: Its DATA_ROOT.
        api: HTTP client of its API.
        ui_url: URL of its Dagster webserver.
        log: File with the output of `coin up`.
    """

    process: subprocess.Popen[bytes]
    root: Path
    api: httpx2.Client
    ui_url: str
    log: Path

    @property
    def is_up(self) -> bool:
        """Whether `coin up` is running."""
        return self.process.poll() is None

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """Query the Dagster webserver, as its UI does."""
        body = {"query": query, "variables": variables}
        response = self.api.post(f"{self.ui_url}/graphql", json=body).json()
        assert "errors" not in response, response
        data: dict[str, Any] = response["data"]
        return data


class SharedPlatform:
    """A platform that several tests use in turn.

    A test that stops the platform, or raises inside `use`, leaves the next test a new one.
    """

    def __init__(self, start: Callable[[], Platform]) -> None:
        self._start = start
        self._platform: Platform | None = None

    @contextmanager
    def use(self) -> Iterator[Platform]:
        """Yield the platform, running and healthy."""
        if self._platform is None or not self._platform.is_up:
            self.stop()
            self._platform = self._start()
        platform = self._platform
        try:
            wait_until(lambda: is_healthy(platform))
            yield platform
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the platform if it is running; it must exit with 0 and leave no process behind."""
        platform, self._platform = self._platform, None
        if platform is None:
            return
        platform.api.close()
        if platform.is_up:
            assert stop_platform(platform) == 0
            assert leftover_processes(platform.root) == []


def start_platform(
    root: Path,
    *arguments: str,
    ports: Sequence[int] = (),
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    machine: str | None = None,
    **variables: str,
) -> Platform:
    """Run `coin up` and return once it serves requests.

    Args:
        root: DATA_ROOT of the platform.
        arguments: Further arguments of `coin up`.
        ports: Ports of the API and of the UI; by default, free ones.
        cwd: Working directory, which gets `up.log`; by default, `root`.
        environment: Complete environment, which must lead to `root`; by default, this process's with DATA_ROOT.
        machine: Host name that the platform sees, by which processes of different machines are distinguished.
        variables: Environment variables added to either.
    """
    api_port, ui_port = ports or free_ports(2)
    log = (cwd or root) / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*on_machine(machine), COIN, "up", "--api-port", str(api_port), "--ui-port", str(ui_port), *arguments],
            env={**(environment or {**os.environ, "DATA_ROOT": str(root)}), **SHORT_INTERVALS, **variables},
            cwd=cwd or root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or STARTED in log.read_text(), START_TIMEOUT_S)
        assert process.poll() is None
    except BaseException as error:
        error.add_note(log.read_text())
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)
        raise
    client = httpx2.Client(base_url=f"http://127.0.0.1:{api_port}", timeout=60)
    return Platform(process, root, client, f"http://127.0.0.1:{ui_port}", log)


def on_machine(name: str | None) -> list[str]:
    """Return what to put before a command, so that it runs under a host name of its own; only root may."""
    if name is None:
        return []
    return ["unshare", "--uts", "sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"', name]


def stop_platform(platform: Platform) -> int:
    """Press Ctrl-C; return the exit code."""
    platform.api.close()
    platform.process.send_signal(signal.SIGINT)
    return platform.process.wait(STOP_TIMEOUT_S)


def wait_until(condition: Callable[[], T], timeout_s: float = 60) -> T:
    """Poll a condition; return its value once that is true, and fail after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r} after {timeout_s} s: {condition}"
        time.sleep(POLL_S)
    return value


def follow(api: httpx2.Client, status_url: str, timeout_s: float = 60) -> list[dict[str, Any]]:
    """Poll the status of a task until it has ended; return every answer."""
    answers: list[dict[str, Any]] = []

    def is_finished() -> bool:
        answers.append(api.get(status_url).json())
        return answers[-1]["status"] not in UNFINISHED

    wait_until(is_finished, timeout_s)
    return answers


def follow_backtest(api: httpx2.Client, task_id: str, timeout_s: float = 60) -> list[dict[str, Any]]:
    """Poll a backtest until it has ended; return every status."""
    return follow(api, f"/api/backtests/status/{task_id}", timeout_s)


def submit_backtest(platform: Platform, **fields: Any) -> str:  # noqa: ANN401 -- any field of a request
    """Submit an asynchronous backtest; return its task id."""
    answer = platform.api.post("/api/backtests/run-async", json={**BACKTEST, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def is_healthy(platform: Platform) -> bool:
    """Return whether every component is healthy."""
    try:
        return platform.api.get("/health").status_code == 200
    except httpx2.HTTPError:
        return False


def leftover_processes(root: Path) -> list[str]:
    """Return the command lines of processes that were started for this DATA_ROOT."""
    return list(leftover_pids(root).values())


def leftover_pids(root: Path) -> dict[int, str]:
    """Return the command lines of processes that were started for this DATA_ROOT, by pid."""
    variable, database = f"DATA_ROOT={root}".encode(), f"{root}/postgres".encode()
    commands = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if variable in environment.split(b"\0") or database in command:
            commands[int(process.name)] = command.replace(b"\0", b" ").decode()
    return commands


def program_pids(platform: Platform) -> dict[str, int]:
    """Return the pids of the programs that `coin up` runs, by name."""
    pids = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            name = (process / "comm").read_text().rstrip("\n")
        except OSError:
            continue  # it has ended meanwhile
        if parent == platform.process.pid and name in PROGRAMS:
            pids[name] = int(process.name)
    return pids


def run_process(root: Path, task_id: str) -> int | None:
    """Return the pid of the process that executes a task now, according to the lease of its latest attempt."""
    statement = """
        select pid from coin.lease join runs using (run_id) where status in ('STARTED', 'CANCELING') and run_id in
            (select %s union select run_id from run_tags where key = 'dagster/root_run_id' and value = %s)
        order by taken desc limit 1"""
    rows = query_database(root, statement, (task_id, task_id))
    return rows[0][0] if rows and process_state(rows[0][0]) not in "ZX" else None


def wait_for_process(platform: Platform, task_id: str) -> int:
    """Return the pid of the process that executes a task, once there is one."""
    return wait_until(lambda: run_process(platform.root, task_id)) or 0


def process_state(pid: int) -> str:
    """Return the state of a process in Linux's letters, such as R, S, T or Z; X if it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, whether or not its parent has collected it."""
    return process_state(pid) in "ZX"


def query_database(
    root: Path, statement: str, parameters: Sequence[object] = (), *, timeout_s: int = 10
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement on the platform's database: that of DATABASE_URL, or the embedded one.

    Raises:
        psycopg2.Error: the database does not answer in time.
    """
    url = os.environ.get("DATABASE_URL")
    if not url or (root / "postgres").is_dir():
        port, password = ((root / "postgres" / name).read_text() for name in ("port", "password"))
        url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
    with closing(psycopg2.connect(url, connect_timeout=timeout_s)) as connection, connection.cursor() as cursor:
        cursor.execute("set statement_timeout = %s", (timeout_s * 1000,))
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def free_ports(count: int) -> list[int]:
    """Return ports that no program listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
