"""Programs that die under `coin up`: small ones stand in for its own."""

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_pipeline.cli.supervisor import ProcessSupervisor, RestartPolicy
from coin_pipeline.errors import OrchestratorUnavailable
from tests.database.programs import alive, until

STEADY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("pids", "a") as pids:
    pids.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""
BROKEN = """
import time
with open("pids", "a") as pids:
    pids.write(f"{time.monotonic()} 0\\n")
print("it cannot work")
raise SystemExit(3)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="groups and signals as Linux has them")
Start = Callable[..., ProcessSupervisor]


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Make the services of a folder in which the two programs lie."""
    (tmp_path / "steady.py").write_text(STEADY)
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)

    def make(stopping: threading.Event, patience: RestartPolicy | None = None) -> ProcessSupervisor:
        return ProcessSupervisor(tmp_path / "logs", {**os.environ}, stopping, patience or RestartPolicy())

    return make


def started() -> list[tuple[float, ...]]:
    """Return what each start of the program wrote down."""
    pids = Path("pids")
    return [tuple(map(float, line.split())) for line in pids.read_text().splitlines()] if pids.exists() else []


def meanwhile(*steps: Callable[[], object]) -> threading.Thread:
    """Take steps beside the main thread, in which programs are started: they end with the thread that did it."""
    thread = threading.Thread(target=lambda: [step() for step in steps])
    thread.start()
    return thread


def test_a_killed_program_is_started_again_and_leaves_nothing(
    services: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    """Within a second another process works, what the first had started is gone, and one line tells it."""
    stopping = threading.Event()
    took: list[float] = []

    def kill() -> None:
        until(started)
        began = time.monotonic()
        os.kill(int(started()[0][0]), signal.SIGKILL)
        until(lambda: len(started()) == 2)
        took.append(time.monotonic() - began)

    with services(stopping) as running:
        running.start("steady", "steady")
        beside = meanwhile(kill, stopping.set)
        running.watch()
        beside.join()
        (first, its_child), (second, _) = started()
        assert not alive(int(first))
        assert not alive(int(its_child))
        assert alive(int(second))
    assert took
    assert took[0] < 1.5
    assert not any(alive(int(pid)) for pids in started() for pid in pids)
    told = [line for line in capfd.readouterr().err.splitlines() if "steady" in line]
    assert told == [f"steady was ended by SIGKILL and is started again; its log is {Path.cwd()}/logs/steady.log"]


def test_a_program_that_does_not_stay_up_ends_all(services: Start) -> None:
    """It is tried less and less often, and then its end and its log are the error; the others are stopped."""
    patience = RestartPolicy(first_s=0.1, longest_s=0.4, sound_s=5, give_up_s=2)
    with services(threading.Event(), patience) as running:
        running.start("steady", "steady")
        until(started)
        steady = [int(pid) for pid in started()[0]]
        Path("pids").unlink()
        running.start("broken", "broken")
        with pytest.raises(OrchestratorUnavailable, match=r"broken ended with exit code 3; .*ends:\n(.*\n)*it cannot"):
            running.watch()
    assert not any(map(alive, steady))
    times = [at for at, _ in started()]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert 4 <= len(times) <= 9
    assert pauses[0] < pauses[2] < 1


def test_a_death_after_a_while_is_the_first_again(services: Start) -> None:
    """Programs killed now and then for longer than it takes to give up are started again each time."""
    stopping = threading.Event()

    def kill_now_and_then() -> None:
        for number in range(4):
            until(lambda seen=number: len(started()) > seen)
            time.sleep(0.6)
            os.kill(int(started()[-1][0]), signal.SIGKILL)
        until(lambda: len(started()) == 5)

    with services(stopping, RestartPolicy(sound_s=0.5, give_up_s=1)) as running:
        running.start("steady", "steady")
        beside = meanwhile(kill_now_and_then, stopping.set)
        running.watch()
        beside.join()
    assert len(started()) == 5


def test_a_death_during_the_start_ends_all(services: Start) -> None:
    """Before the platform was up, nothing is tried again."""
    with services(threading.Event()) as running:
        running.start("broken", "broken")
        with pytest.raises(OrchestratorUnavailable, match="broken ended with exit code 3"):
            running.wait_for("http://127.0.0.1:9/", timeout_s=30)
    assert len(started()) == 1


def test_pauses_double_up_to_the_longest() -> None:
    """0.2 s, 0.4 s and so on, never more than 10 s."""
    assert [RestartPolicy().pause_s(deaths) for deaths in (1, 2, 3, 6, 7, 20)] == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]
