"""One active daemon at a time, on a real PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration._dagster_internals import InstigatorType, SensorInstigatorData, hold_schedules
from coin_pipeline.orchestration.daemon import EXIT_RESTART, remove_former_sensors, reset_future_ticks
from coin_pipeline.orchestration.instance import write_workspace
from coin_pipeline.settings import load_settings
from tests.chaos.clock import Clock
from tests.dagster_instance import job_definition
from tests.dagster_records import (
    InstigatorState,
    InstigatorStatus,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
    dagster_daemons,
)
from tests.database.programs import responds, server_pid, wait_until

START_S = 60


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

    def logged(self, text: str) -> bool:
        """Return whether its log contains a text."""
        return text in self.log.read_text()

    def is_active(self) -> bool:
        """Return whether it holds the lock and runs Dagster's daemon."""
        return self.logged("this daemon is active") and self.logged("Instance is configured with the following daemons")


@pytest.fixture
def daemon(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons on the session's database; they are killed after the test."""
    instance.wipe_daemon_heartbeats()
    started: list[Daemon] = []

    def start(**environment: str) -> Daemon:
        started.append(Daemon(tmp_path / f"{len(started)}.log", **environment))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def heartbeat_ids(instance: dg.DagsterInstance) -> set[str | None]:
    """Return the ids of the daemons that stored the latest heartbeats."""
    return {beat.daemon_id for beat in instance.get_daemon_heartbeats().values()}


def test_a_second_daemon_stands_by_and_takes_over(instance: dg.DagsterInstance, daemon: Callable[..., Daemon]) -> None:
    """It logs which daemon it waits for and does nothing; it takes over seconds after that one is killed."""
    first = daemon()
    wait_until(first.is_active, START_S)
    wait_until(lambda: heartbeat_ids(instance), START_S)
    (active,) = heartbeat_ids(instance)
    second = daemon()
    wait_until(lambda: second.logged(f"process {first.process.pid} is active"), START_S)
    assert heartbeat_ids(instance) == {active}
    assert not second.is_active()
    first.process.kill()
    first.process.wait()
    wait_until(second.is_active, 30)
    wait_until(lambda: active not in heartbeat_ids(instance), 30)
    assert len(heartbeat_ids(instance)) == 1


@pytest.mark.long
def test_a_hung_daemon_loses_the_lock_and_exits(daemon: Callable[..., Daemon]) -> None:
    """Another daemon takes over; the first exits without doing anything when it is continued."""
    first = daemon()
    wait_until(first.is_active, START_S)
    second = daemon()
    wait_until(lambda: second.logged("standing by"), START_S)
    first.process.send_signal(signal.SIGSTOP)
    wait_until(second.is_active, 25)
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(5) == EXIT_RESTART
    assert first.logged("the lock is lost")


def test_a_database_restart_ends_the_active_daemon(daemon: Callable[..., Daemon], data_root: Path) -> None:
    """Its lock is gone with its session; the standby waits for the database and takes over."""
    first = daemon()
    wait_until(first.is_active, START_S)
    second = daemon()
    wait_until(lambda: second.logged("standing by"), START_S)
    os.kill(server_pid(data_root / "postgres"), signal.SIGKILL)
    assert first.process.wait(10) == EXIT_RESTART
    wait_until(lambda: responds(database_url(load_settings())), START_S)  # it recovers first
    wait_until(second.is_active, START_S)


def test_a_clock_set_back_restarts_the_daemon(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Its loops would otherwise wait for as long as the clock went back."""
    clock = Clock(tmp_path)
    clock.advance(3600)
    ahead = daemon(**clock.environment("*"))
    wait_until(ahead.is_active, START_S)
    clock.restore()
    assert ahead.process.wait(10) == EXIT_RESTART
    assert ahead.logged("the clock went back by 3600 s")


def test_sensor_ticks_in_the_future_are_reset(instance: dg.DagsterInstance) -> None:
    """A tick in the future is set to the present; one in the past is kept."""
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


@pytest.mark.long
def test_sigterm_ends_the_daemon_and_frees_the_lock(daemon: Callable[..., Daemon]) -> None:
    """It exits with 0, and its successor starts at once."""
    first = daemon()
    wait_until(first.is_active, START_S)
    first.process.terminate()
    assert first.process.wait(15) == 0
    wait_until(daemon().is_active, START_S)


def test_stored_state_of_former_sensors_is_deleted(instance: dg.DagsterInstance) -> None:
    """After an upgrade the UI would list them as sensors that fail to load; other sensors are kept."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("coin_pipeline"), "__repository__")
    for name in ("lost_runs", "markets"):
        origin = RemoteInstigatorOrigin(repository, name)
        data = SensorInstigatorData(cursor="kept")
        instance.add_instigator_state(
            InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
        )
    remove_former_sensors(instance)
    left = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    assert [state.instigator_name for state in left] == ["markets"]
    instance.delete_instigator_state(left[0].instigator_origin_id, left[0].selector_id)


def test_the_daemon_runs_the_monitor(instance: dg.DagsterInstance, daemon: Callable[..., Daemon]) -> None:
    """A failed task without a manifest gets one."""
    job = job_definition("backtest")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/max_retries": "0"})
    instance.report_run_failed(run)
    assert daemon().process.poll() is None
    manifest = load_settings().data_root / "tasks" / run.run_id / "manifest.json"
    wait_until(manifest.exists, START_S)


@pytest.mark.parametrize("kind", ["SchedulerDaemon", "SensorDaemon"])
def test_schedules_wait_for_an_operator_after_a_restore(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their loops yield meanwhile, so that heartbeats continue, and start without a restart."""
    held = iter([True, True, False])
    for name in ("SchedulerDaemon", "SensorDaemon"):
        monkeypatch.setattr(dagster_daemons, name, type(name, (), {"core_loop": lambda *_: iter(["a tick"])}))
    hold_schedules(lambda: next(held))
    loop = getattr(dagster_daemons, kind)().core_loop(None, threading.Event())
    assert list(loop) == [None, None, "a tick"]
