"""The supervisor of `coin up`, tested with small stand-in programs."""

import itertools
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from coin_pipeline.cli.supervisor import ProcessSupervisor, RestartPolicy
from coin_pipeline.errors import OrchestratorUnavailable, StorageFull
from tests.database.programs import is_alive, wait_until

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
CHATTY = """
import os, time
for _ in range(80):
    os.write(1, b"x" * (1 << 20))
    while os.fstat(1).st_size > 10 << 20:  # the supervisor may be slow on a busy machine
        time.sleep(0.01)
open("done", "w").close()
time.sleep(600)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process groups and signals as on Linux")
NewSupervisor = Callable[..., ProcessSupervisor]


@pytest.fixture
def new_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewSupervisor:
    """Return a factory of supervisors in a folder that contains the programs."""
    (tmp_path / "steady.py").write_text(STEADY)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "chatty.py").write_text(CHATTY)
    monkeypatch.chdir(tmp_path)

    def make(stopping: threading.Event, policy: RestartPolicy | None = None) -> ProcessSupervisor:
        return ProcessSupervisor(tmp_path / "logs", {**os.environ}, stopping, policy or RestartPolicy())

    return make


def recorded_starts() -> list[tuple[float, ...]]:
    """Return what each start of a program recorded."""
    pids = Path("pids")
    return [tuple(map(float, line.split())) for line in pids.read_text().splitlines()] if pids.exists() else []


def run_in_thread(*steps: Callable[[], object]) -> threading.Thread:
    """Run steps in another thread; the supervisor must run in the main thread, with which its children end."""
    thread = threading.Thread(target=lambda: [step() for step in steps])
    thread.start()
    return thread


def test_killed_process_is_restarted(new_supervisor: NewSupervisor, capfd: pytest.CaptureFixture[str]) -> None:
    """The process is back within 1.5 s, the children of the first one are gone, and one line reports it."""
    stopping = threading.Event()
    downtimes: list[float] = []

    def kill() -> None:
        wait_until(recorded_starts)
        began = time.monotonic()
        os.kill(int(recorded_starts()[0][0]), signal.SIGKILL)
        wait_until(lambda: len(recorded_starts()) == 2)
        downtimes.append(time.monotonic() - began)

    with new_supervisor(stopping) as supervisor:
        supervisor.start("steady", "steady")
        killer = run_in_thread(kill, stopping.set)
        supervisor.watch()
        killer.join()
        (first, child), (second, _) = recorded_starts()
        assert not is_alive(int(first))
        assert not is_alive(int(child))
        assert is_alive(int(second))
    assert downtimes
    assert downtimes[0] < 1.5
    assert not any(is_alive(int(pid)) for pids in recorded_starts() for pid in pids)
    messages = [line for line in capfd.readouterr().err.splitlines() if "steady" in line]
    assert messages == [f"steady was killed by SIGKILL; restarting it (log: {Path.cwd()}/logs/steady.log)"]


def test_process_that_does_not_stay_up_stops_all(new_supervisor: NewSupervisor) -> None:
    """Restarts become less frequent, then the error has the exit code and the log, and the others are stopped."""
    policy = RestartPolicy(first_s=0.1, longest_s=0.8, stable_s=10, give_up_s=5)
    with new_supervisor(threading.Event(), policy) as supervisor:
        supervisor.start("steady", "steady")
        wait_until(recorded_starts)
        steady = [int(pid) for pid in recorded_starts()[0]]
        Path("pids").unlink()
        supervisor.start("broken", "broken")
        with pytest.raises(OrchestratorUnavailable, match=r"broken exited with code 3; end of .*:\n(.*\n)*it cannot"):
            supervisor.watch()
    assert not any(map(is_alive, steady))
    times = [at for at, _ in recorded_starts()]
    delays = [after - before for before, after in itertools.pairwise(times)]
    assert 4 <= len(times) <= 12
    assert delays[0] < delays[2]


def test_death_after_a_stable_run_counts_as_the_first(new_supervisor: NewSupervisor) -> None:
    """A process killed now and then is restarted each time, even over a period longer than the limit."""
    stopping = threading.Event()

    def kill_now_and_then() -> None:
        for number in range(4):
            wait_until(lambda seen=number: len(recorded_starts()) > seen)
            time.sleep(0.6)
            os.kill(int(recorded_starts()[-1][0]), signal.SIGKILL)
        wait_until(lambda: len(recorded_starts()) == 5)

    with new_supervisor(stopping, RestartPolicy(stable_s=0.5, give_up_s=1)) as supervisor:
        supervisor.start("steady", "steady")
        killer = run_in_thread(kill_now_and_then, stopping.set)
        supervisor.watch()
        killer.join()
    assert len(recorded_starts()) == 5


def test_deleted_files_of_a_process_are_restored(new_supervisor: NewSupervisor) -> None:
    """It is restarted if its socket is deleted, once, and finds a folder for its log; the caller restores the rest."""
    stopping, socket, restored = threading.Event(), Path("socket"), Path("restored")

    def delete() -> None:
        wait_until(recorded_starts)
        socket.touch()
        time.sleep(0.5)
        wait_until(restored.exists)
        shutil.rmtree("logs")
        socket.unlink()
        wait_until(lambda: len(recorded_starts()) == 2)
        time.sleep(0.5)

    with new_supervisor(stopping) as supervisor:
        supervisor.start("steady", "steady", socket=socket)
        deleter = run_in_thread(delete, stopping.set)
        supervisor.watch(restored.touch)
        deleter.join()
    assert len(recorded_starts()) == 2
    assert Path("logs/steady.log").exists()
    assert Path("logs").stat().st_mode & 0o777 == 0o700


def test_a_problem_of_restoring_files_is_reported_once(
    new_supervisor: NewSupervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    """A full disk does not end the platform."""
    stopping, attempts = threading.Event(), itertools.count()

    def restore() -> None:
        if next(attempts) == 2:
            stopping.set()
        raise StorageFull("dagster.yaml", "No space left on device")

    with new_supervisor(stopping) as supervisor:
        supervisor.watch(restore)
    assert capfd.readouterr().err.count("cannot restore deleted files: no space left") == 1


def test_death_during_startup_stops_all(new_supervisor: NewSupervisor) -> None:
    """A process that dies before the platform is up is not restarted."""
    with new_supervisor(threading.Event()) as supervisor:
        supervisor.start("broken", "broken")
        with pytest.raises(OrchestratorUnavailable, match="broken exited with code 3"):
            supervisor.wait_for("http://127.0.0.1:9/", timeout_s=30)
    assert len(recorded_starts()) == 1


def test_start_waits_for_a_good_response(new_supervisor: NewSupervisor) -> None:
    """A server that asks for a token, or whose components are not ready, is not up yet."""
    statuses, sent = [401, 503, 200], list[int]()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(statuses[len(sent)])
            self.send_response(sent[-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answer) as server, new_supervisor(threading.Event()) as supervisor:
        thread = run_in_thread(server.serve_forever)
        supervisor.wait_for(f"http://127.0.0.1:{server.server_port}/", timeout_s=30)
        server.shutdown()
        thread.join()
    assert sent == statuses


def test_logs_are_bounded(new_supervisor: NewSupervisor) -> None:
    """A process that logs 80 MiB leaves about 50 MiB, which only its owner can read."""
    stopping, logs = threading.Event(), Path("logs")
    with new_supervisor(stopping) as supervisor:
        supervisor.start("chatty", "chatty")
        stopper = run_in_thread(lambda: wait_until(Path("done").exists), stopping.set)
        supervisor.watch()
        stopper.join()
    assert sum(file.stat().st_size for file in logs.iterdir()) < 60 << 20
    assert {file.stat().st_mode & 0o777 for file in logs.iterdir()} == {0o600}


def test_restart_delays_double_up_to_the_longest() -> None:
    """The delays are 0.2 s, 0.4 s and so on, but never more than 10 s."""
    assert [RestartPolicy().delay_s(deaths) for deaths in (1, 2, 3, 6, 7, 20)] == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]
