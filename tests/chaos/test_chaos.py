"""Faults that need a platform of their own, while clients submit: no accepted task is lost, duplicated or wrong.

A short version of most faults is part of `make test`; `make chaos` runs all of them at full length.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.clock import Clock
from tests.chaos.conftest import Judge, stop_and_record
from tests.chaos.faults import (
    disk_mib,
    full_disk,
    kill_at_random,
    kill_host,
    kill_worker,
    memory_mib,
    start_again,
    started,
    worker_pids,
)
from tests.chaos.traffic import Traffic
from tests.platforms import wait_until
from tests.small_disk import small_disk

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="/proc identifies the processes"),
    pytest.mark.timeout(300),
]
full_length = partial(pytest.param, marks=pytest.mark.chaos)
"""Parameters of `make chaos` only."""
KILLS = int(os.environ.get("COIN_CHAOS_KILLS", "1000"))


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_nothing_is_lost_under_many_kills(tmp_path: Path, judge: Judge) -> None:
    """Long enough to hit rare moments: between two writes, or in the middle of a start."""
    with started(tmp_path, pause_s=0.1) as platform, Traffic(platform, seed=2, tasks=KILLS // 2) as traffic:
        kill_at_random(traffic, platform, seed=2, kills=KILLS, pace_s=3)
        traffic.settle(3600)
        stop_and_record(platform, traffic.history)
    judge(f"{KILLS} kills", traffic, platform)


@pytest.mark.chaos
def test_tasks_that_end_immediately_on_a_new_database(tmp_path: Path, judge: Judge) -> None:
    """Tasks that fail, are cancelled or are killed before the first monitoring tick have manifests."""
    with started(tmp_path) as platform, Traffic(platform, seed=11, tasks=24, backlog=24) as traffic:
        wait_until(lambda: worker_pids(tmp_path), 30)
        kill_worker(traffic, platform)
        traffic.settle(90)
        stop_and_record(platform, traffic.history)
    judge("new database", traffic, platform)


@pytest.mark.chaos
def test_power_cut(tmp_path: Path, judge: Judge) -> None:
    """All processes are killed at once; after a restart every accepted task ends, and no old process is left."""
    with started(tmp_path) as platform, Traffic(platform, seed=6, tasks=20) as traffic:
        wait_until(lambda: traffic.acknowledged() >= 10)
        kill_host(platform)
        restarted = start_again(platform)
        traffic.settle(180)
        stop_and_record(restarted, traffic.history)
    judge("power cut", traffic, platform)


@pytest.mark.chaos
def test_coin_up_is_killed(tmp_path: Path, judge: Judge) -> None:
    """Its programs end by themselves; after a restart every accepted task ends."""
    with started(tmp_path) as platform, Traffic(platform, seed=7, tasks=20) as traffic:
        wait_until(lambda: traffic.acknowledged() >= 10)
        platform.process.kill()
        platform.process.wait()
        time.sleep(20)
        restarted = start_again(platform)
        traffic.settle(180)
        stop_and_record(restarted, traffic.history)
    judge("coin up killed", traffic, platform)


@pytest.mark.chaos
def test_ten_concurrent_backtests(tmp_path: Path, judge: Judge) -> None:
    """Ten concurrent backtests complete; memory and disk are measured before, at the peak and afterwards."""
    with started(tmp_path) as platform:
        before, peak, stopped = memory_mib(tmp_path), [0.0], threading.Event()

        def record_peak() -> None:
            while not stopped.wait(0.2):
                peak[0] = max(peak[0], memory_mib(tmp_path))

        recorder = threading.Thread(target=record_peak)
        disk = disk_mib(tmp_path)
        recorder.start()
        began = time.monotonic()
        with Traffic(platform, seed=8, tasks=10, plain=True) as traffic:
            traffic.settle(120)
            duration_s = time.monotonic() - began
            stopped.set()
            recorder.join()
            time.sleep(10)
            after = memory_mib(tmp_path)
            figures = {
                "all completed in": f"{duration_s:.1f} s",
                "memory before": f"{before:.0f} MiB",
                "memory at the peak": f"{peak[0]:.0f} MiB",
                "memory afterwards": f"{after:.0f} MiB",
                "disk before": f"{disk:.0f} MiB",
                "disk afterwards": f"{disk_mib(tmp_path):.0f} MiB",
            }
            stop_and_record(platform, traffic.history)
    judge("ten concurrent", traffic, platform, **figures)
    finals = [observations[-1].status for observations in traffic.history.observations.values()]
    assert finals == ["completed"] * 10
    assert after < before + (peak[0] - before) / 2 + 100


@pytest.fixture
def small_root(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 MB in memory."""
    root = tmp_path / "small"
    root.mkdir()
    with small_disk(root, 400):
        yield root


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [pytest.param(8, marks=pytest.mark.long), full_length(20)])
def test_full_disk(small_root: Path, judge: Judge, seconds: int) -> None:
    """Results, logs and the database find no space for a while; accepted tasks end afterwards."""
    with started(small_root) as platform, Traffic(platform, seed=9, tasks=15) as traffic:
        wait_until(lambda: traffic.acknowledged() >= 6)
        with full_disk(small_root):
            time.sleep(seconds)
        traffic.settle(180)
        stop_and_record(platform, traffic.history)
    judge(f"full disk for {seconds} s", traffic, platform)


def test_the_clock_moves_for_named_programs_only(tmp_path: Path) -> None:
    """A process that gets a name of the list late is moved; another is not."""
    clock = Clock(tmp_path)
    clock.advance(3600)
    program = "import pathlib, time; pathlib.Path('/proc/self/comm').write_text({!r}); print(time.time())"
    ahead = [
        float(
            subprocess.run(
                [sys.executable, "-c", program.format(name)],
                env={**os.environ, **clock.environment("pool daemon")},
                check=True,
                capture_output=True,
            ).stdout
        )
        - time.time()
        for name in ("daemon", "api")
    ]
    assert [seconds > 3000 for seconds in ahead] == [True, False]


@pytest.mark.parametrize(
    ("programs", "jumps"),
    [
        pytest.param("pool daemon code-server webserver", 1, marks=pytest.mark.long),
        full_length("pool daemon code-server webserver", 2),
        full_length("*", 2),
    ],
)
def test_clock_that_jumps(tmp_path: Path, judge: Judge, programs: str, jumps: int) -> None:
    """The clock of Dagster's programs, or of every one, jumps an hour ahead and back; nothing waits for it."""
    clock = Clock(tmp_path)
    with (
        started(tmp_path, pause_s=0.2, **clock.environment(programs)) as platform,
        Traffic(platform, seed=10, tasks=20 * jumps, plain=True, backlog=20) as traffic,
    ):
        for _ in range(jumps):
            wait_until(lambda: worker_pids(tmp_path))
            clock.advance(3600)
            time.sleep(8)
            clock.restore()
            time.sleep(3)
            wait_until(lambda: worker_pids(tmp_path))
            kill_worker(traffic, platform)
        traffic.settle(150)
        stop_and_record(platform, traffic.history)
    traffic.history.detection_s = []  # the end of a run is recorded by the clock that jumped
    judge(f"an hour ahead and back: {programs}", traffic, platform)
    assert {observations[-1].status for observations in traffic.history.observations.values()} == {"completed"}
