"""Faults of every kind while clients submit: nothing that was accepted is lost, doubled, wrong or taken back.

One fault of each kind is part of `make test`; `make chaos` does all of it. Every test starts a platform of its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.clock import Clock
from tests.chaos.conftest import Judge
from tests.chaos.harness import (
    Traffic,
    disk_mib,
    full_disk,
    hung_postgres,
    kill_at_random,
    kill_host,
    kill_worker,
    memory_mib,
    paused,
    start_again,
    started,
    stop_and_look,
    stopped_postgres,
    wait_for,
    workers,
)
from tests.e2e.conftest import programs_of, state_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which process is which")
LONGER = partial(pytest.param, marks=pytest.mark.chaos)
"""A parameter for `make chaos` only."""
KILLS = int(os.environ.get("COIN_CHAOS_KILLS", "1000"))


@pytest.mark.timeout(300)
def test_nothing_is_lost_under_a_few_kills(tmp_path: Path, judge: Judge) -> None:
    """Every kind of process is killed at random while clients submit."""
    with started(tmp_path, pause_s=0.1) as platform, Traffic(platform, seed=1, tasks=30) as traffic:
        kill_at_random(traffic, platform, seed=1, kills=15, pace_s=3)
        traffic.settle(150)
        stop_and_look(platform, traffic.history)
    judge("15 kills", traffic.history)


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_nothing_is_lost_under_many_kills(tmp_path: Path, judge: Judge) -> None:
    """The same for long enough that rare moments are hit: between two writes, in the middle of a start."""
    with started(tmp_path, pause_s=0.1) as platform, Traffic(platform, seed=2, tasks=KILLS // 2) as traffic:
        kill_at_random(traffic, platform, seed=2, kills=KILLS, pace_s=3)
        traffic.settle(3600)
        stop_and_look(platform, traffic.history)
    judge(f"{KILLS} kills", traffic.history)


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_tasks_that_end_at_once_on_a_new_database(tmp_path: Path, judge: Judge) -> None:
    """Failed, cancelled or killed before anybody has looked for the first time, they have manifests."""
    with started(tmp_path) as platform, Traffic(platform, seed=11, tasks=24, backlog=24) as traffic:
        wait_for(lambda: workers(tmp_path), 30)
        kill_worker(traffic, platform)
        traffic.settle(90)
        stop_and_look(platform, traffic.history)
    judge("at once", traffic.history)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", [stopped_postgres, hung_postgres])
@pytest.mark.parametrize("seconds", [5, LONGER(20), LONGER(100)])
def test_a_database_that_is_away(
    tmp_path: Path, judge: Judge, fault: Callable[[Path], AbstractContextManager[None]], seconds: int
) -> None:
    """Killed and kept down, or stopped in the middle of what it does; what was accepted ends once it is back."""
    with started(tmp_path) as platform, Traffic(platform, seed=3, tasks=15) as traffic:
        wait_for(lambda: traffic.acknowledged() >= 6, 60)
        with fault(tmp_path):
            time.sleep(seconds)
        traffic.settle(240)
        stop_and_look(platform, traffic.history)
    judge(f"{fault.__name__} for {seconds} s", traffic.history)


@pytest.mark.timeout(300)
def test_two_daemons(tmp_path: Path, judge: Judge) -> None:
    """A second daemon stands by, takes over when the first is killed, and nothing is computed twice."""
    log = tmp_path / "second.log"
    with started(tmp_path) as platform, Traffic(platform, seed=4, tasks=20) as traffic:
        with log.open("w") as output:
            second = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "coin_pipeline.orchestration.daemon",
                    "-w",
                    str(tmp_path / "dagster/workspace.yaml"),
                ],
                env={**os.environ, "DATA_ROOT": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(lambda: "standing by: the daemon on" in log.read_text(), 60)
            wait_for(lambda: traffic.acknowledged() >= 8, 60)
            os.kill(programs_of(platform.process.pid)["daemon"], signal.SIGKILL)
            wait_for(lambda: "this is the one daemon" in log.read_text(), 10)
            traffic.settle(180)
        finally:
            second.kill()
            second.wait()
        stop_and_look(platform, traffic.history)
    judge("two daemons", traffic.history)
    assert [s.key for s in traffic.history.submissions if s.computed > 1] == []


@pytest.mark.timeout(300)
def test_a_worker_that_is_paused_past_its_lease(tmp_path: Path, judge: Judge) -> None:
    """What it does when it goes on changes nothing that was said of its task, and it does not stay."""
    with (
        started(tmp_path, pause_s=5) as platform,
        Traffic(platform, seed=5, tasks=4, plain=True) as traffic,
    ):
        _, pid = wait_for(lambda: list(workers(tmp_path).items()), 60)[0]
        with paused(pid):
            (tmp_path / "pause").unlink()
            time.sleep(30)
        wait_for(lambda: state_of(pid) in "ZX", 30)
        traffic.settle(120)
        stop_and_look(platform, traffic.history)
    judge("a paused worker", traffic.history)


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_a_power_cut(tmp_path: Path, judge: Judge) -> None:
    """Everything is killed at once, and started again; what was accepted ends, and nothing of the old start is left."""
    with started(tmp_path) as platform, Traffic(platform, seed=6, tasks=20) as traffic:
        wait_for(lambda: traffic.acknowledged() >= 10, 60)
        kill_host(platform)
        again = start_again(platform)
        traffic.settle(180)
        stop_and_look(again, traffic.history)
    judge("a power cut", traffic.history)


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_coin_up_is_killed(tmp_path: Path, judge: Judge) -> None:
    """What it had started ends by itself; started again, it finds everything."""
    with started(tmp_path) as platform, Traffic(platform, seed=7, tasks=20) as traffic:
        wait_for(lambda: traffic.acknowledged() >= 10, 60)
        platform.process.kill()
        platform.process.wait()
        time.sleep(20)
        again = start_again(platform)
        traffic.settle(180)
        stop_and_look(again, traffic.history)
    judge("coin up killed", traffic.history)


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_ten_at_once(tmp_path: Path, judge: Judge) -> None:
    """Ten submitted at once complete; memory and disk are measured before, at the peak and afterwards."""
    with started(tmp_path) as platform:
        before, peak, over = memory_mib(tmp_path), [0.0], threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                peak[0] = max(peak[0], memory_mib(tmp_path))

        watcher = threading.Thread(target=watch)
        disk = disk_mib(tmp_path)
        watcher.start()
        began = time.monotonic()
        with Traffic(platform, seed=8, tasks=10, plain=True) as traffic:
            traffic.settle(120)
            took = time.monotonic() - began
            over.set()
            watcher.join()
            time.sleep(10)
            after = memory_mib(tmp_path)
            more = {
                "all done in": f"{took:.1f} s",
                "memory before": f"{before:.0f} MiB",
                "memory at the peak": f"{peak[0]:.0f} MiB",
                "memory afterwards": f"{after:.0f} MiB",
                "disk before": f"{disk:.0f} MiB",
                "disk afterwards": f"{disk_mib(tmp_path):.0f} MiB",
            }
            stop_and_look(platform, traffic.history)
    judge("ten at once", traffic.history, **more)
    assert [s[-1].status for s in traffic.history.sights.values()] == ["completed"] * 10
    assert after < before + (peak[0] - before) / 2 + 100


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 MB, in memory."""
    root = tmp_path / "small"
    root.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=400m", "none", str(root)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.decode().strip()}")
    yield root
    subprocess.run([str(shutil.which("umount")), "--lazy", str(root)], check=True)


@pytest.mark.timeout(400)
def test_a_full_disk(small_disk: Path, judge: Judge) -> None:
    """Results, logs and the database find no space for a while; afterwards what was accepted ends."""
    with started(small_disk) as platform, Traffic(platform, seed=9, tasks=15) as traffic:
        wait_for(lambda: traffic.acknowledged() >= 6, 60)
        with full_disk(small_disk):
            time.sleep(20)
        traffic.settle(180)
        stop_and_look(platform, traffic.history)
    judge("a full disk", traffic.history)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("whose", "jumps"),
    [("coin_pipeline.orchestration", 1), LONGER("coin_pipeline.orchestration", 2), LONGER("python", 2)],
)
def test_a_clock_that_jumps(tmp_path: Path, judge: Judge, whose: str, jumps: int) -> None:
    """An hour ahead and back, for the daemon and the pool or for every program: queue and retries go on at once."""
    clock = Clock(tmp_path)
    with (
        started(tmp_path, pause_s=0.2, **clock.environment(whose)) as platform,
        Traffic(platform, seed=10, tasks=20 * jumps, plain=True, backlog=20) as traffic,
    ):
        for _ in range(jumps):
            wait_for(lambda: workers(tmp_path), 60)
            clock.move(3600)
            time.sleep(10)
            clock.back()
            time.sleep(3)
            wait_for(lambda: workers(tmp_path), 60)
            kill_worker(traffic, platform)
        traffic.settle(150)
        stop_and_look(platform, traffic.history)
    traffic.history.shown_s = []  # the ends are on record by the clock that jumped
    judge(f"an hour ahead and back: {whose}", traffic.history)
    assert {seen[-1].status for seen in traffic.history.sights.values()} == {"completed"}
