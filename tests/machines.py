"""Two platforms on one database and one bucket, as on two machines: each has its own DATA_ROOT and host name."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2

from tests.builders import SLOW_STRATEGY, STEADY_STRATEGY
from tests.conftest import store_candles
from tests.platforms import (
    Platform,
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

BUCKET = "results"
CONNECTIONS = 300
"""max_connections of the server, as in docker-compose.yml."""
STRATEGIES = {"slow": SLOW_STRATEGY, "steady": STEADY_STRATEGY}
LEASES = """select host, pid, status from coin.lease join runs using (run_id) where run_id in
    (select %(task)s union select run_id from run_tags where key = 'dagster/root_run_id' and value = %(task)s)
    order by taken"""


class Attempt(NamedTuple):
    """An attempt at a task: its process and its status."""

    host: str
    pid: int
    status: str


class Machines(NamedTuple):
    """Two platforms, and the URL of their database."""

    url: str
    first: Platform
    second: Platform

    def attempts(self, task_id: str) -> list[Attempt]:
        """Return the attempts at a task that have had a process, the first one first."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(LEASES, {"task": task_id})
            return [Attempt(*row) for row in cursor.fetchall()]

    def hosts(self, task_id: str) -> list[tuple[str, str]]:
        """Return the machine and the status of each attempt."""
        return [(attempt.host, attempt.status) for attempt in self.attempts(task_id)]

    def submit_to_second(self, strategy: str, **params: int) -> tuple[str, int]:
        """Return the id of a task that the second machine executes, and its process."""
        wait_until(lambda: is_healthy(self.second))
        task_id = submit_backtest(self.second, strategy=strategy, params=params)
        (attempt,) = wait_until(lambda: self.attempts(task_id))
        assert attempt.host == "second"
        return task_id, attempt.pid

    def signal_second(self, signum: int) -> None:
        """Send a signal to every process of the second machine."""
        for pid in leftover_pids(self.second.root):
            os.kill(pid, signum)


def can_name_machines() -> bool:
    """Return whether processes can have host names of their own."""
    return subprocess.run([*on_machine("another"), "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def two_machines(
    folder: Path,
    active: str = "first",
    strategies: dict[str, str] = STRATEGIES,
    prepare: Callable[[Path], object] = store_candles,
    cores: Sequence[int] = (),
    **variables: str,
) -> Iterator[Machines]:
    """Two machines with the same candles and strategies.

    Args:
        folder: Folder of both.
        active: Which of them has the active daemon: the one that starts first.
        strategies: Sources of strategies by name.
        prepare: Stores the candles of a DATA_ROOT.
        cores: The processors that the first and the second may use; by default, all.
        variables: Environment variables of both.
    """
    server = start_s3(folder / "s3")
    try:
        server.store(BUCKET)
        with outside_postgres(settings=[f"max_connections={CONNECTIONS}"]) as url, ExitStack() as stack:
            settings = {**server.environment(BUCKET), "DATABASE_URL": url, **variables}
            platforms = {}
            for name in sorted(("first", "second"), key=lambda name: name != active):
                root = folder / name
                root.mkdir()
                prepare(root)
                with limited_to(cores[name == "second"] if cores else None):
                    platforms[name] = stack.enter_context(_machine(root, name, settings, strategies))
            yield Machines(url, platforms["first"], platforms["second"])
    finally:
        stop_s3(server, folder / "s3")


@contextmanager
def limited_to(core: int | None) -> Iterator[None]:
    """Let processes that are started inside use one processor; None for all."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, usual if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@contextmanager
def _machine(root: Path, name: str, settings: dict[str, str], strategies: dict[str, str]) -> Iterator[Platform]:
    options: list[str] = []
    for strategy, text in strategies.items():
        (root / f"{strategy}.py").write_text(text)
        options += ["--strategy-file", str(root / f"{strategy}.py")]
    platform = start_platform(root, *options, machine=name, **settings)
    try:
        yield platform
    finally:
        platform.api.close()
        if platform.is_up:  # a test may have killed it
            stop_platform(platform)
