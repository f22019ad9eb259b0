"""Faults that are injected into a running platform, and measurements of what it uses."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2

from tests.chaos.traffic import DATABASE_TIMEOUT_S, RECORDING_STRATEGY, Traffic
from tests.conftest import store_candles
from tests.platforms import Platform, has_ended, program_pids, query_database, start_platform, stop_platform

MAX_LEAD = 2
"""How many more programs than workers may have been killed."""
WORKERS = "select run_id, pid from runs join coin.lease using (run_id) where status in ('STARTED', 'CANCELING')"


def start_with_recording_strategy(root: Path, **environment: str) -> Platform:
    """Start a platform over generated candles with the strategy that records its calls."""
    store_candles(root)
    (root / "counted.py").write_text(RECORDING_STRATEGY)
    return start_platform(root, "--strategy-file", str(root / "counted.py"), **environment)


@contextmanager
def started(root: Path, pause_s: float = 0, **environment: str) -> Iterator[Platform]:
    """Run such a platform, whose backtests take `pause_s` each; stop it unless the test has done so."""
    with slowed_down(root, pause_s):
        platform = start_with_recording_strategy(root, **environment)
        try:
            yield platform
        finally:
            if platform.is_up:
                stop_platform(platform)


@contextmanager
def slowed_down(root: Path, pause_s: float) -> Iterator[None]:
    """Let every backtest of the recording strategy take `pause_s`."""
    pause = root / "pause"
    if pause_s:
        pause.write_text(str(pause_s))
    try:
        yield
    finally:
        pause.unlink(missing_ok=True)


def worker_pids(root: Path) -> dict[str, int]:
    """Return the pids of the processes that execute runs, by run id, according to their leases."""
    try:
        leases = dict(query_database(root, WORKERS, timeout_s=DATABASE_TIMEOUT_S))
    except psycopg2.Error:
        return {}  # the database is unavailable
    return {run_id: pid for run_id, pid in leases.items() if not has_ended(pid)}


def kill_at_random(traffic: Traffic, platform: Platform, seed: int, kills: int, pace_s: float) -> None:
    """Kill -9 processes of the platform, half of them workers and half programs, until `kills` are killed.

    A program takes seconds to start, so the next one dies `pace_s` later on average, sometimes while others start.
    Workers that execute a run are killed in between; on a busy machine, programs wait for them.
    """
    chance, killed = random.Random(seed), traffic.history.kills  # noqa: S311 -- repeatable
    due = time.monotonic()
    while sum(killed.values()) < kills:
        assert platform.is_up, platform.log.read_text()
        workers = killed.get("worker", 0)
        programs = sum(killed.values()) - workers
        if workers <= programs:
            kill_worker(traffic, platform)
        if time.monotonic() > due and programs <= workers + MAX_LEAD:
            kill_program(traffic, platform, chance)
            due += chance.expovariate(1 / pace_s)
        time.sleep(chance.uniform(0, 0.2))


def kill_worker(traffic: Traffic, platform: Platform) -> None:
    """Kill -9 a process that executes a run, if there is one."""
    for run_id, pid in list(worker_pids(platform.root).items())[:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            traffic.kill_times.setdefault(run_id, time.time())
            traffic.history.kills["worker"] = traffic.history.kills.get("worker", 0) + 1


def kill_program(traffic: Traffic, platform: Platform, chance: random.Random) -> None:
    """Kill -9 one program of `coin up`."""
    name, pid = chance.choice(sorted(program_pids(platform).items()))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        traffic.history.kills[name] = traffic.history.kills.get(name, 0) + 1


@contextmanager
def stopped_postgres(root: Path) -> Iterator[None]:
    """Kill the database server and keep its supervisor from restarting it."""
    supervisor = _supervisor(root)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(_postmaster(root), signal.SIGKILL)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@contextmanager
def hung_postgres(root: Path) -> Iterator[None]:
    """Suspend the database server with all its processes, then resume them."""
    server = _postmaster(root)
    pids = [_supervisor(root), server, *_children(server)]
    for pid in pids:
        with suppress(ProcessLookupError):  # a connection that has just been closed
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def delete_files(root: Path) -> None:
    """Delete the locks, the pool's socket, Dagster's home and the logs of a running platform."""
    (root / "up.lock").unlink()
    for folder in ("dagster", "logs"):
        shutil.rmtree(root / folder)


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Suspend a process, then resume it if it still exists."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def full_disk(root: Path) -> Iterator[None]:
    """Fill the platform's disk to the last byte, then free the space."""
    ballast = root / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink()


def kill_host(platform: Platform) -> None:
    """Kill -9 everything at once, including the database, as a power cut does."""
    pids = [platform.process.pid, _supervisor(platform.root), _postmaster(platform.root)]
    pids += [pid for pid in _all_pids() if _belongs_to(pid, platform.root)]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    platform.process.wait()


def start_again(platform: Platform) -> Platform:
    """Start the platform over its existing data, on the ports that its clients know."""
    ports = [int(url.rpartition(":")[2].rstrip("/")) for url in (str(platform.api.base_url), platform.ui_url)]
    return start_platform(platform.root, "--strategy-file", str(platform.root / "counted.py"), ports=ports)


def memory_mib(root: Path) -> float:
    """Return the memory of all processes of the platform, with shared pages counted once."""
    server = _postmaster(root)
    total = 0
    for pid in {server, *_children(server), *(pid for pid in _all_pids() if _belongs_to(pid, root))}:
        with suppress(OSError):  # it has ended meanwhile
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def disk_mib(root: Path) -> float:
    """Return the disk space that the platform uses."""
    total = 0
    for path in root.rglob("*"):
        with suppress(OSError):  # it was removed meanwhile
            total += path.lstat().st_blocks * 512
    return total / 2**20


def _supervisor(root: Path) -> int:
    return int((root / "postgres/supervisor.lock").read_text())


def _postmaster(root: Path) -> int:
    return int((root / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def _children(pid: int) -> list[int]:
    children = []
    for other in _all_pids():
        with suppress(OSError):
            if int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(other)
    return children


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _belongs_to(pid: int, root: Path) -> bool:
    """Return whether a process was started for this DATA_ROOT."""
    try:
        return f"DATA_ROOT={root}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
