"""The whole platform as a person starts it: `coin up` in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg2
import pytest

from coin_pipeline.database.embedded.cluster import DATABASE, USER
from tests.builders import MEMORY_HUNGRY_STRATEGY, SLOW_STRATEGY, SPINNING_STRATEGY, STEADY_STRATEGY
from tests.conftest import store_candles

COIN = Path(sys.executable).with_name("coin")
OWN = {"slow": SLOW_STRATEGY, "steady": STEADY_STRATEGY, "greedy": MEMORY_HUNGRY_STRATEGY, "busy": SPINNING_STRATEGY}
"""Strategies of the platform that the tests share."""
START_S = 90
PROGRAMS = {
    "pool": ("coin_pipeline.orchestration.worker_pool",),
    "code-server": ("dagster", "grpc"),
    "daemon": ("coin_pipeline.orchestration.daemon",),
    "webserver": ("dagster_webserver",),
    "api": ("uvicorn",),
}
"""What the command of each program of `coin up` has in it."""


@dataclass(frozen=True)
class Platform:
    """A running platform."""

    process: subprocess.Popen[bytes]
    root: Path
    api: httpx2.Client
    ui_url: str


def start_platform(root: Path, *arguments: str, ports: Sequence[int] = (), **environment: str) -> Platform:
    """Run `coin up` on free ports, or those of the API and the UI, over DATA_ROOT `root`; return when it is up."""
    api_port, ui_port = ports or free_ports(2)
    log = root / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [COIN, "up", "--api-port", str(api_port), "--ui-port", str(ui_port), *arguments],
            env={**os.environ, "DATA_ROOT": str(root), **environment},
            cwd=root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while "Press Ctrl-C to stop" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    client = httpx2.Client(base_url=f"http://127.0.0.1:{api_port}", timeout=60)
    return Platform(process, root, client, f"http://127.0.0.1:{ui_port}")


def stop_platform(platform: Platform) -> int:
    """Press Ctrl-C; return the exit code."""
    platform.api.close()
    platform.process.send_signal(signal.SIGINT)
    return platform.process.wait(40)


def left_running(root: Path) -> list[str]:
    """Return the command lines of programs that were started for this DATA_ROOT."""
    mark = f"DATA_ROOT={root}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if mark in environment.split(b"\0") or f"{root}/postgres".encode() in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def programs_of(up: int) -> dict[str, int]:
    """Return the pids of the programs that a `coin up` runs, by the names that it gives them."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            command = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # it ended while we looked
        if parent == up:
            found |= {name: int(process.name) for name, words in PROGRAMS.items() if set(words) <= set(command)}
    return found


def healthy(platform: Platform) -> bool:
    """Return whether every part reports in."""
    try:
        return platform.api.get("/health").status_code == 200
    except httpx2.HTTPError:
        return False


def process_of(root: Path, task_id: str) -> int | None:
    """Return the pid of the process that runs a task now, the latest attempt at it, as its lease names it."""
    statement = """
        select pid from coin.lease join runs using (run_id) where status in ('STARTED', 'CANCELING') and run_id in
            (select %s union select run_id from run_tags where key = 'dagster/root_run_id' and value = %s)
        order by taken desc limit 1"""
    port, password = ((root / "postgres" / name).read_text() for name in ("port", "password"))
    url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, (task_id, task_id))
        found = cursor.fetchone()
    return found[0] if found and state_of(found[0]) not in "ZX" else None


def state_of(pid: int) -> str:
    """Return the state of a process as Linux tells it: R, S, T, Z and so on; X if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for probe in sockets:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in sockets]
    for probe in sockets:
        probe.close()
    return ports


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests that do not stop it, over generated candles."""
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    for name, text in OWN.items():
        (root / f"{name}.py").write_text(text)
    running = start_platform(root, *(part for name in OWN for part in ("--strategy-file", str(root / f"{name}.py"))))
    yield running
    stop_platform(running)
