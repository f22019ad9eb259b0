"""Two platforms on one database and one bucket, as on two machines: each has its own DATA_ROOT and host name."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest

from tests.builders import SLOW_STRATEGY, STEADY_STRATEGY
from tests.conftest import store_candles
from tests.platforms import (
    Platform,
    follow_backtest,
    has_ended,
    is_healthy,
    leftover_pids,
    on_machine,
    start_platform,
    stop_platform,
    submit_backtest,
    wait_until,
)
from tests.postgres_server import outside_postgres
from tests.s3 import start_s3, stop_s3

pytestmark = [
    pytest.mark.skipif(
        subprocess.run([*on_machine("another"), "true"], capture_output=True, check=False).returncode != 0,
        reason="host names of processes need Linux and root",
    ),
    pytest.mark.long,
    pytest.mark.timeout(600),
]
BUCKET = "results"
CONNECTIONS = 300
"""max_connections of the server, as in docker-compose.yml."""
LEASES = """select host, pid, status from coin.lease join runs using (run_id) where run_id in
    (select %(task)s union select run_id from run_tags where key = 'dagster/root_run_id' and value = %(task)s)
    order by taken"""


class Attempt(NamedTuple):
    """An attempt at a task: its process and its status."""

    host: str
    pid: int
    status: str


class Machines(NamedTuple):
    """Two platforms. The daemon of the first is active."""

    url: str
    first: Platform
    second: Platform

    def attempts(self, task_id: str) -> list[Attempt]:
        """Return the attempts at a task that have had a process, the first one first."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(LEASES, {"task": task_id})
            return [Attempt(*row) for row in cursor.fetchall()]

    def submit_to_second(self, strategy: str, **params: int) -> tuple[str, int]:
        """Return the id of a task that the second machine executes, and its process."""
        wait_until(lambda: is_healthy(self.second))
        task_id = submit_backtest(self.second, strategy=strategy, params=params)
        (attempt,) = wait_until(lambda: self.attempts(task_id))
        assert attempt.host == "second"
        return task_id, attempt.pid


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines with the same candles and strategies."""
    folder = tmp_path_factory.mktemp("machines")
    server = start_s3(folder)
    try:
        server.store(BUCKET)
        with outside_postgres(settings=[f"max_connections={CONNECTIONS}"]) as url:
            settings = {**server.environment(BUCKET), "DATABASE_URL": url}
            with machine(folder, "first", settings) as first, machine(folder, "second", settings) as second:
                yield Machines(url, first, second)
    finally:
        stop_s3(server, folder)


@contextmanager
def machine(folder: Path, name: str, settings: dict[str, str]) -> Iterator[Platform]:
    """A platform with a DATA_ROOT of its own."""
    root = folder / name
    root.mkdir()
    store_candles(root)
    options: list[str] = []
    for strategy, text in (("slow", SLOW_STRATEGY), ("steady", STEADY_STRATEGY)):
        (root / f"{strategy}.py").write_text(text)
        options += ["--strategy-file", str(root / f"{strategy}.py")]
    platform = start_platform(root, *options, machine=name, **settings)
    yield platform
    platform.api.close()
    if platform.is_up:  # a test may have killed it
        stop_platform(platform)


def send_signal(platform: Platform, signum: int) -> None:
    """Send a signal to every process of a machine."""
    for pid in leftover_pids(platform.root):
        os.kill(pid, signum)


def test_a_run_is_cancelled_from_another_machine(machines: Machines) -> None:
    """Its process ends there, and both machines report it as cancelled."""
    task_id, pid = machines.submit_to_second("slow")
    assert machines.first.api.post(f"/api/backtests/{task_id}/cancel").json()["status"] == "cancelled"
    wait_until(lambda: has_ended(pid), 20)
    wait_until(lambda: [attempt.status for attempt in machines.attempts(task_id)] == ["CANCELED"])
    for platform in (machines.first, machines.second):
        assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "cancelled"


def test_a_suspended_machine_publishes_nothing_and_ends_its_run(machines: Machines) -> None:
    """The other one repeats the run; the process that resumes later finds it ended, and ends too."""
    task_id, pid = machines.submit_to_second("steady", every=3)
    send_signal(machines.second, signal.SIGSTOP)
    try:
        completed = follow_backtest(machines.first.api, task_id, 120)[-1]
    finally:
        send_signal(machines.second, signal.SIGCONT)
    assert completed["status"] == "completed", completed["error"]
    wait_until(lambda: has_ended(pid), 20)
    attempts = [(attempt.host, attempt.status) for attempt in machines.attempts(task_id)]
    assert attempts == [("second", "FAILURE"), ("first", "SUCCESS")]


def test_the_runs_of_a_lost_machine_are_repeated_on_the_other(machines: Machines) -> None:
    """Every process of a machine is killed at once."""
    task_id, _ = machines.submit_to_second("steady", every=4)
    send_signal(machines.second, signal.SIGKILL)
    completed = follow_backtest(machines.first.api, task_id, 120)[-1]
    assert completed["status"] == "completed", completed["error"]
    attempts = [(attempt.host, attempt.status) for attempt in machines.attempts(task_id)]
    assert attempts == [("second", "FAILURE"), ("first", "SUCCESS")]
