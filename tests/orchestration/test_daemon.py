"""One daemon at a time, on a real PostgreSQL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration._dagster_internals import InstigatorType, SensorInstigatorData
from coin_pipeline.orchestration.daemon import EXIT_RESTART, reset_future_ticks
from coin_pipeline.orchestration.instance import write_workspace
from coin_pipeline.settings import load_settings
from tests.chaos.clock import Clock
from tests.dagster_records import (
    InstigatorState,
    InstigatorStatus,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from tests.database.programs import responds, server_pid, wait_until

START_S = 30


class Daemon:
    """A daemon in a process of its own."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        workspace = write_workspace(load_settings())
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coin_pipeline.orchestration.daemon", "-w", str(workspace)],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self, words: str) -> bool:
        """Return whether its log has these words."""
        return words in self.log.read_text()

    def works(self) -> bool:
        """Return whether it holds the lock and Dagster's daemon runs in it."""
        return self.said("this is the one daemon") and self.said("Instance is configured with the following daemons")


@pytest.fixture
def daemon(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons on the session's database; they end with the test."""
    instance.wipe_daemon_heartbeats()
    started: list[Daemon] = []

    def start(**environment: str) -> Daemon:
        started.append(Daemon(tmp_path / f"{len(started)}.log", **environment))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def heart(instance: dg.DagsterInstance) -> set[str | None]:
    """Return the ids of the daemons whose heartbeats were stored last."""
    return {beat.daemon_id for beat in instance.get_daemon_heartbeats().values()}


def test_the_second_stands_by_and_takes_over(instance: dg.DagsterInstance, daemon: Callable[..., Daemon]) -> None:
    """It says for whom it waits and does nothing; when the first is killed it works, within seconds."""
    first = daemon()
    wait_until(first.works, START_S)
    wait_until(lambda: heart(instance), START_S)
    (working,) = heart(instance)
    second = daemon()
    wait_until(lambda: second.said(f"process {first.process.pid} works"), START_S)
    assert heart(instance) == {working}
    assert not second.works()
    first.process.kill()
    first.process.wait()
    wait_until(second.works, 5)
    wait_until(lambda: working not in heart(instance), 10)
    assert len(heart(instance)) == 1


def test_a_daemon_that_hangs_loses_the_lock_and_ends(daemon: Callable[..., Daemon]) -> None:
    """Stopped for too long, another takes its place; continued, it ends before it does anything."""
    first = daemon()
    wait_until(first.works, START_S)
    second = daemon()
    wait_until(lambda: second.said("standing by"), START_S)
    first.process.send_signal(signal.SIGSTOP)
    wait_until(second.works, 25)
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(5) == EXIT_RESTART
    assert first.said("the lock is lost")


def test_a_restart_of_the_database_ends_it(daemon: Callable[..., Daemon], data_root: Path) -> None:
    """With its session its lock is gone; who was standing by waits for the database and works then."""
    first = daemon()
    wait_until(first.works, START_S)
    second = daemon()
    wait_until(lambda: second.said("standing by"), START_S)
    os.kill(server_pid(data_root / "postgres"), signal.SIGKILL)
    assert first.process.wait(10) == EXIT_RESTART
    wait_until(lambda: responds(database_url(load_settings())))
    wait_until(second.works, START_S)


def test_a_clock_that_goes_back_starts_it_again(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Its loops would wait for as long as the clock went back."""
    clock = Clock(tmp_path)
    clock.advance(3600)
    ahead = daemon(**clock.environment("coin_pipeline.orchestration.daemon"))
    wait_until(ahead.works, START_S)
    clock.restore()
    assert ahead.process.wait(10) == EXIT_RESTART
    assert ahead.said("the clock went back by 3600 s")


def test_sensors_do_not_wait_for_a_time_that_was_wrong(instance: dg.DagsterInstance) -> None:
    """A tick in the future is one of now; one in the past is left as it is."""
    now = time.time()
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("x"), "y"), "clock")
    for last, expected in ((now + 3600, now), (now - 60, now - 60)):
        data = SensorInstigatorData(last_tick_timestamp=last, last_tick_start_timestamp=last, cursor="kept")
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        instance.add_instigator_state(state)
        reset_future_ticks(instance)
        stored = instance.get_instigator_state(origin.get_id(), state.selector_id)
        instance.delete_instigator_state(origin.get_id(), state.selector_id)
        assert stored is not None
        assert isinstance(stored.instigator_data, SensorInstigatorData)
        assert stored.instigator_data.last_tick_start_timestamp == pytest.approx(expected, abs=5)
        assert stored.instigator_data.cursor == "kept"


def test_told_to_stop_it_stops(daemon: Callable[..., Daemon]) -> None:
    """SIGTERM ends one that works with exit code 0, and its successor need not wait."""
    first = daemon()
    wait_until(first.works, START_S)
    first.process.terminate()
    assert first.process.wait(15) == 0
    wait_until(daemon().works, START_S)
