"""Faults that one platform must survive without a restart, while clients submit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.conftest import Judge
from tests.chaos.faults import (
    delete_files,
    hung_postgres,
    kill_at_random,
    slowed_down,
    stopped_postgres,
    suspended,
    worker_pids,
)
from tests.chaos.traffic import Traffic
from tests.platforms import START_TIMEOUT_S, SharedPlatform, has_ended, program_pids, query_database, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="/proc identifies the processes"),
    pytest.mark.timeout(300),
]
full_length = partial(pytest.param, marks=pytest.mark.chaos)
"""Parameters of `make chaos` only."""
RUN_STATUS = "select status from runs where run_id = %s"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "fault", "seconds"),
    [
        pytest.param(3, stopped_postgres, 5, marks=pytest.mark.long),
        (12, hung_postgres, 5),
        full_length(13, stopped_postgres, 20),
        full_length(14, hung_postgres, 20),
        full_length(15, stopped_postgres, 100),
        full_length(16, hung_postgres, 100),
    ],
)
def test_database_outage(
    shared: SharedPlatform,
    judge: Judge,
    seed: int,
    fault: Callable[[Path], AbstractContextManager[None]],
    seconds: int,
) -> None:
    """The database is killed and kept down, or suspended; accepted tasks end once it is back."""
    with shared.use() as platform:
        with Traffic(platform, seed, tasks=15) as traffic:
            wait_until(lambda: traffic.acknowledged() >= 6)
            with fault(platform.root):
                time.sleep(seconds)
            traffic.settle(240)
        judge(f"{fault.__name__} for {seconds} s", traffic, platform)


@pytest.mark.long
def test_second_daemon_takes_over(shared: SharedPlatform, judge: Judge) -> None:
    """A second daemon stands by, takes over when the first is killed, and nothing is computed twice."""
    with shared.use() as platform:
        root, log = platform.root, platform.root / "second-daemon.log"
        command = [sys.executable, "-m", "coin_pipeline.orchestration.daemon", "-w", root / "dagster/workspace.yaml"]
        with Traffic(platform, seed=4, tasks=20) as traffic:
            with log.open("w") as output:
                second = subprocess.Popen(
                    command,
                    env={**os.environ, "DATA_ROOT": str(root), "DAGSTER_HOME": str(root / "dagster")},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            try:
                wait_until(lambda: "standing by: the daemon on" in log.read_text(), START_TIMEOUT_S)
                wait_until(lambda: traffic.acknowledged() >= 8)
                with suspended(platform.process.pid):  # `coin up` restarts the first before the second looks again
                    os.kill(program_pids(platform)["daemon"], signal.SIGKILL)
                    wait_until(lambda: "lock acquired" in log.read_text(), 10)
                traffic.settle(180)
            finally:
                second.kill()
                second.wait()
        judge("second daemon", traffic, platform)
        assert [s.key for s in traffic.history.submissions if s.executions > 1] == []


def test_worker_suspended_past_its_lease(shared: SharedPlatform, judge: Judge) -> None:
    """A worker that resumes after its run was given up changes nothing that was reported, and ends."""
    with shared.use() as platform:
        root = platform.root
        with slowed_down(root, 5), Traffic(platform, seed=5, tasks=4, plain=True) as traffic:
            run_id, pid = wait_until(lambda: list(worker_pids(root).items()))[0]
            with suspended(pid):
                (root / "pause").unlink()
                wait_until(lambda: query_database(root, RUN_STATUS, (run_id,)) != [("STARTED",)])
            wait_until(lambda: has_ended(pid), 30)
            traffic.settle(120)
        judge("suspended worker", traffic, platform)


@pytest.mark.chaos
def test_files_are_deleted(shared: SharedPlatform, judge: Judge) -> None:
    """Locks, socket, Dagster's home and logs, and then all programs are killed; accepted tasks end."""
    with shared.use() as platform:
        with Traffic(platform, seed=17, tasks=20) as traffic:
            wait_until(lambda: traffic.acknowledged() >= 8)
            delete_files(platform.root)
            wait_until((platform.root / "dagster/workspace.yaml").exists)
            for name, pid in program_pids(platform).items():
                os.kill(pid, signal.SIGKILL)
                traffic.history.kills[name] = 1
            traffic.settle(180)
        judge("deleted files", traffic, platform)


def test_nothing_is_lost_under_a_few_kills(shared: SharedPlatform, judge: Judge) -> None:
    """Processes of every kind are killed at random while clients submit."""
    with shared.use() as platform:
        with slowed_down(platform.root, 0.1), Traffic(platform, seed=1, tasks=30) as traffic:
            kill_at_random(traffic, platform, seed=1, kills=15, pace_s=2)
            traffic.settle(150)
        judge("15 kills", traffic, platform)
