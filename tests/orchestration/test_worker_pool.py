"""The worker pool: real processes, a real socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coin_pipeline.orchestration.worker_pool.protocol import SOCKET_NAME, send_request

PROGRAM = Path(__file__).with_name("pool_program.py")


@dataclass(frozen=True)
class Running:
    """A pool in a process of its own."""

    home: Path
    process: subprocess.Popen[bytes]

    def launch(self, run_id: str, *, bulk: bool = False) -> None:
        """Hand over a run."""
        assert send_request(self.home, launch=run_id, bulk=bulk) == {"ok": True}

    def began(self, run_id: str) -> bool:
        """Tell whether a run has a process."""
        return (self.home / run_id).exists() and bool((self.home / run_id).read_text())

    def pid(self, run_id: str) -> int:
        """Return the number of a run's process, once it has one."""
        until(lambda: self.began(run_id))
        return int((self.home / run_id).read_text().split()[0])

    def known(self) -> set[str]:
        """Return the runs that wait or run."""
        return set(send_request(self.home, runs=True)["runs"])

    def settled(self) -> list[str]:
        """Return the runs whose workers did not tell their end."""
        path = self.home / "settled"
        return path.read_text().split() if path.exists() else []


def until(met: Callable[[], bool], timeout_s: float = 30) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def answers(home: Path) -> bool:
    """Tell whether a pool serves there."""
    try:
        send_request(home, runs=True)
    except OSError:
        return False
    return True


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Running]:
    """A pool that runs two at a time, and one of bulk, in a folder whose path is longer than a socket's may be."""
    home = tmp_path / ("folder-" * 20)
    home.mkdir()
    process = subprocess.Popen([sys.executable, str(PROGRAM), str(home)])
    until(lambda: answers(home))
    yield Running(home, process)
    process.terminate()
    process.wait()


def test_a_run_that_ends_is_forgotten(pool: Running) -> None:
    """It needs no settling, and the next one gets a process of its own."""
    pool.launch("quick-1")
    until(lambda: pool.began("quick-1") and not pool.known())
    pool.launch("quick-2")
    assert pool.pid("quick-2") != pool.pid("quick-1")
    assert pool.settled() == []


def test_runs_wait_in_order_for_a_place(pool: Running) -> None:
    """Two run, the third waits; bulk has a place of its own and never takes theirs."""
    for run_id in ("sleep-1", "sleep-2", "sleep-3", "quick-4"):
        pool.launch(run_id)
    pool.launch("sleep-5", bulk=True)
    pool.launch("sleep-6", bulk=True)
    pids = [pool.pid(run_id) for run_id in ("sleep-1", "sleep-2", "sleep-5")]
    time.sleep(0.3)
    assert not any(map(pool.began, ("sleep-3", "quick-4", "sleep-6")))
    assert len(set(pids)) == 3
    os.kill(pids[0], signal.SIGINT)
    until(lambda: pool.began("sleep-3"))
    assert not pool.began("quick-4")
    assert (pool.home / "sleep-5").read_text().split()[1] == "1"


def test_a_run_that_is_handed_over_twice_runs_once(pool: Running) -> None:
    """Whether it waits or runs."""
    for run_id in ("sleep-1", "sleep-2", "sleep-3") * 2:
        pool.launch(run_id)
    assert pool.known() == {"sleep-1", "sleep-2", "sleep-3"}
    pid = pool.pid("sleep-1")
    pool.launch("sleep-1")
    time.sleep(0.2)
    assert pool.pid("sleep-1") == pid


def test_a_killed_run_is_settled(pool: Running) -> None:
    """So is one whose worker says that it could not tell the end; what it left behind is killed."""
    pool.launch("crash-1")
    until(lambda: pool.settled() == ["crash-1"])
    pool.launch("child-2")
    pool.pid("child-2")
    until(lambda: (pool.home / "left").exists() and bool((pool.home / "left").read_text()))
    until(lambda: gone(int((pool.home / "left").read_text())))
    assert pool.settled() == ["crash-1"]


@pytest.mark.parametrize("run_id", ["sleep-1", "spin-1"])
def test_a_cancelled_run_ends_within_two_seconds(pool: Running, run_id: str) -> None:
    """One that hears the interrupt at once, one that does not by force."""
    pool.launch(run_id)
    pid = pool.pid(run_id)
    time.sleep(0.1)
    began = time.monotonic()
    assert send_request(pool.home, cancel=run_id) == {"known": True}
    until(lambda: gone(pid))
    assert time.monotonic() - began < 4  # two seconds, and as much again for a machine that does other things
    assert pool.known() == set()
    assert pool.settled() == ([run_id] if run_id == "spin-1" else [])


def test_a_stopped_run_is_killed_too(pool: Running) -> None:
    """A process that is stopped hears nothing."""
    pool.launch("sleep-1")
    pid = pool.pid("sleep-1")
    os.kill(pid, signal.SIGSTOP)
    send_request(pool.home, cancel="sleep-1")
    until(lambda: gone(pid))


def test_a_waiting_run_is_cancelled_before_it_begins(pool: Running) -> None:
    """There is no process to interrupt, and there will be none."""
    for run_id in ("sleep-1", "sleep-2", "quick-3"):
        pool.launch(run_id)
    assert send_request(pool.home, cancel="quick-3") == {"known": False}
    for run_id in ("sleep-1", "sleep-2"):
        os.kill(pool.pid(run_id), signal.SIGINT)
    until(lambda: not pool.known())
    assert not pool.began("quick-3")


def test_places_are_reserved_within_a_bound(pool: Running) -> None:
    """Four at most, waiting, running and reserved; bulk does not count; a launch uses its reservation."""
    pool.launch("sleep-9", bulk=True)
    assert [send_request(pool.home, reserve=f"sleep-{n}")["ok"] for n in range(1, 6)] == [True] * 4 + [False]
    pool.launch("sleep-1")
    assert not send_request(pool.home, reserve="sleep-5")["ok"]
    os.kill(pool.pid("sleep-1"), signal.SIGINT)
    until(lambda: bool(send_request(pool.home, reserve="sleep-5")["ok"]))


def test_nonsense_does_not_end_the_pool(pool: Running) -> None:
    """Nor does a caller that says nothing."""
    for said in (b"", b"nonsense\n", b"[]\n"):
        with socket.socket(socket.AF_UNIX) as caller:
            folder = os.open(pool.home, os.O_RDONLY)
            caller.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
            caller.sendall(said)
            os.close(folder)
    pool.launch("quick-1")
    assert pool.pid("quick-1")


def test_a_pool_that_is_away_is_an_os_error(tmp_path: Path) -> None:
    """Whoever asks knows that it cannot be asked."""
    with pytest.raises(FileNotFoundError):
        send_request(tmp_path, runs=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a program that its parent was killed")
def test_workers_end_with_the_pool(pool: Running) -> None:
    """However it ends: no run goes on that nobody watches."""
    pool.launch("spin-1")
    pid = pool.pid("spin-1")
    pool.process.kill()
    until(lambda: gone(pid))
