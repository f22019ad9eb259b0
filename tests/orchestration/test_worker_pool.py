"""The worker pool, with real processes and a real socket."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from coin_pipeline.orchestration.worker_pool.protocol import SOCKET_NAME, send_request
from tests.forking import forking
from tests.orchestration import pool_program


@dataclass(frozen=True)
class Running:
    """A pool in a process of its own."""

    home: Path
    process: ForkServerProcess

    def launch(self, run_id: str, *, bulk: bool = False, owner: str = "") -> None:
        """Hand a run to the pool."""
        assert send_request(self.home, launch=run_id, bulk=bulk, owner=owner) == {"ok": True}

    def began(self, run_id: str) -> bool:
        """Return whether a run has a process."""
        return (self.home / run_id).exists() and bool((self.home / run_id).read_text())

    def pid(self, run_id: str) -> int:
        """Return the process id of a run, once it has one."""
        wait_until(lambda: self.began(run_id))
        return int((self.home / run_id).read_text().split()[0])

    def known(self) -> set[str]:
        """Return the runs that wait or execute."""
        return set(send_request(self.home, runs=True)["runs"])

    def finalized(self) -> list[str]:
        """Return the runs whose workers did not record their end."""
        path = self.home / "finalized"
        return path.read_text().split() if path.exists() else []


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def responds(home: Path) -> bool:
    """Return whether a pool responds there."""
    try:
        send_request(home, runs=True)
    except OSError:
        return False
    return True


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Running]:
    """A pool for two interactive runs and one bulk run, in a directory whose path is too long for a socket."""
    with running_pool(tmp_path / ("folder-" * 20)) as pool:
        yield pool


@contextmanager
def running_pool(home: Path, drain_s: float = 0) -> Iterator[Running]:
    """Run a pool that waits for its runs when it is stopped."""
    home.mkdir()
    process = forking().Process(target=pool_program.serve, args=(home, drain_s))
    process.start()
    wait_until(lambda: responds(home))
    yield Running(home, process)
    process.terminate()
    process.join()


def test_an_ended_run_is_forgotten(pool: Running) -> None:
    """It needs no finalizing, and the next run gets a process of its own."""
    pool.launch("quick-1")
    wait_until(lambda: pool.began("quick-1") and not pool.known())
    pool.launch("quick-2")
    assert pool.pid("quick-2") != pool.pid("quick-1")
    assert pool.finalized() == []


def test_runs_wait_in_order_for_a_slot(pool: Running) -> None:
    """Two runs execute, the third waits; bulk has a slot of its own and never takes an interactive one."""
    for run_id in ("sleep-1", "sleep-2", "sleep-3", "quick-4"):
        pool.launch(run_id)
    pool.launch("sleep-5", bulk=True)
    pool.launch("sleep-6", bulk=True)
    pids = [pool.pid(run_id) for run_id in ("sleep-1", "sleep-2", "sleep-5")]
    time.sleep(0.3)
    assert not any(map(pool.began, ("sleep-3", "quick-4", "sleep-6")))
    assert len(set(pids)) == 3
    os.kill(pids[0], signal.SIGINT)
    wait_until(lambda: pool.began("sleep-3"))
    assert not pool.began("quick-4")
    assert (pool.home / "sleep-5").read_text().split()[1] == "1"


def test_runs_of_one_client_leave_a_slot_to_another(pool: Running) -> None:
    """They may never end."""
    for run_id in ("spin-1", "spin-2", "spin-3"):
        pool.launch(run_id, owner="a")
    pool.launch("quick-4", owner="b")
    wait_until(lambda: pool.began("quick-4"))
    assert not pool.began("spin-3")


def test_a_deleted_socket_is_created_again(pool: Running) -> None:
    """Within a second, without an effect on runs, also if another file replaced it."""
    pool.launch("sleep-1")
    pid = pool.pid("sleep-1")
    for replacement in (None, "text"):
        (pool.home / SOCKET_NAME).unlink()
        if replacement:
            (pool.home / SOCKET_NAME).write_text(replacement)
        wait_until(lambda: responds(pool.home), timeout_s=5)
    assert pool.known() == {"sleep-1"}
    assert not has_ended(pid)


def test_a_run_that_is_handed_over_twice_executes_once(pool: Running) -> None:
    """Whether it waits or executes."""
    for run_id in ("sleep-1", "sleep-2", "sleep-3") * 2:
        pool.launch(run_id)
    assert pool.known() == {"sleep-1", "sleep-2", "sleep-3"}
    pid = pool.pid("sleep-1")
    pool.launch("sleep-1")
    time.sleep(0.2)
    assert pool.pid("sleep-1") == pid


def test_a_killed_run_is_finalized(pool: Running) -> None:
    """A run that ends normally is not, and processes that it leaves behind are killed."""
    pool.launch("crash-1")
    wait_until(lambda: pool.finalized() == ["crash-1"])
    pool.launch("child-2")
    pool.pid("child-2")
    wait_until(lambda: (pool.home / "left").exists() and bool((pool.home / "left").read_text()))
    wait_until(lambda: has_ended(int((pool.home / "left").read_text())))
    assert pool.finalized() == ["crash-1"]


@pytest.mark.parametrize("run_id", ["sleep-1", "spin-1"])
def test_a_cancelled_run_ends_within_two_seconds(pool: Running, run_id: str) -> None:
    """A run that reacts to the interrupt ends at once, one that ignores it is killed."""
    pool.launch(run_id)
    pid = pool.pid(run_id)
    time.sleep(0.1)
    began = time.monotonic()
    assert send_request(pool.home, cancel=run_id) == {"known": True}
    wait_until(lambda: has_ended(pid))
    assert time.monotonic() - began < 4  # two seconds, and as much again for a machine that does other things
    wait_until(lambda: pool.known() == set())
    assert pool.finalized() == ([run_id] if run_id == "spin-1" else [])


def test_a_stopped_run_is_killed_too(pool: Running) -> None:
    """A stopped process does not react to signals."""
    pool.launch("sleep-1")
    pid = pool.pid("sleep-1")
    os.kill(pid, signal.SIGSTOP)
    send_request(pool.home, cancel="sleep-1")
    wait_until(lambda: has_ended(pid))


def test_a_waiting_run_is_cancelled_before_it_starts(pool: Running) -> None:
    """There is no process to interrupt, and none is started."""
    for run_id in ("sleep-1", "sleep-2", "quick-3"):
        pool.launch(run_id)
    assert send_request(pool.home, cancel="quick-3") == {"known": False}
    for run_id in ("sleep-1", "sleep-2"):
        os.kill(pool.pid(run_id), signal.SIGINT)
    wait_until(lambda: not pool.known())
    assert not pool.began("quick-3")


def test_reservations_are_limited(pool: Running) -> None:
    """At most four runs wait, execute or are reserved; bulk does not count; a launch uses its reservation."""
    pool.launch("sleep-9", bulk=True)
    assert [send_request(pool.home, reserve=f"sleep-{n}")["ok"] for n in range(1, 6)] == [True] * 4 + [False]
    pool.launch("sleep-1")
    assert not send_request(pool.home, reserve="sleep-5")["ok"]
    os.kill(pool.pid("sleep-1"), signal.SIGINT)
    wait_until(lambda: bool(send_request(pool.home, reserve="sleep-5")["ok"]))


def test_invalid_requests_do_not_end_the_pool(pool: Running) -> None:
    """Nor does a client that sends nothing."""
    for request in (b"", b"nonsense\n", b"[]\n"):
        with socket.socket(socket.AF_UNIX) as caller:
            folder = os.open(pool.home, os.O_RDONLY)
            caller.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
            caller.sendall(request)
            os.close(folder)
    pool.launch("quick-1")
    assert pool.pid("quick-1")


def test_a_missing_pool_raises_an_os_error(tmp_path: Path) -> None:
    """The client can distinguish this from a refusal."""
    with pytest.raises(FileNotFoundError):
        send_request(tmp_path, runs=True)


def test_a_stopped_pool_lets_its_runs_end(tmp_path: Path) -> None:
    """It starts nothing any more: what it is handed waits for the next pool."""
    with running_pool(tmp_path / "home", drain_s=60) as pool:
        pool.launch("sleep-1")
        pid = pool.pid("sleep-1")
        pool.process.terminate()
        wait_until(lambda: send_request(pool.home, reserve="run", owner="") == {"ok": False})
        pool.launch("quick-2")
        assert pool.known() - {"run"} == {"sleep-1", "quick-2"}  # it may have been reserved before the signal arrived
        os.kill(pid, signal.SIGINT)  # its end
        pool.process.join(30)
        assert pool.process.exitcode == 0
        assert not pool.began("quick-2")


def test_a_stopped_pool_waits_for_a_limited_time(tmp_path: Path) -> None:
    """A run that does not end is ended with the pool; its retry executes elsewhere."""
    with running_pool(tmp_path / "home", drain_s=0.5) as pool:
        pool.launch("spin-1")
        pid = pool.pid("spin-1")
        pool.process.terminate()
        pool.process.join(30)
        assert pool.process.exitcode == 0
        wait_until(lambda: has_ended(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_a_second_signal_stops_a_pool_at_once(tmp_path: Path) -> None:
    """An operator who does not want to wait for the runs ends them with the pool."""
    with running_pool(tmp_path / "home", drain_s=600) as pool:
        pool.launch("spin-1")
        pid = pool.pid("spin-1")
        pool.process.terminate()
        wait_until(lambda: send_request(pool.home, reserve="run", owner="") == {"ok": False})
        assert not has_ended(pid)
        pool.process.terminate()
        pool.process.join(30)
        assert pool.process.exitcode == 0
        wait_until(lambda: has_ended(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_workers_end_with_the_pool(pool: Running) -> None:
    """Even if it is killed: no run continues unsupervised."""
    pool.launch("spin-1")
    pid = pool.pid("spin-1")
    pool.process.kill()
    wait_until(lambda: has_ended(pid))
