"""A worker pool whose runs behave as their ids suggest.

`spin-1` ignores interrupts, `sleep-1` ends upon one, `crash-1` kills itself, `child-1` leaves a process behind, and any
other run ends at once. Each writes its process id to HOME/RUN_ID; finalized runs are listed in HOME/finalized.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from coin_pipeline.orchestration.worker_pool.commands import IDENTITY, run_command
from coin_pipeline.orchestration.worker_pool.server import Pool
from coin_pipeline.orchestration.worker_pool.sharing import PoolLimits
from coin_pipeline.orchestration.worker_pool.worker import READY
from coin_pipeline.parent_death import end_with_parent


def work(home: Path, pool: int, line: socket.socket) -> None:
    """Execute one run in a forked process."""
    end_with_parent(pool)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
    line.sendall(READY)
    run_id, _, bulk = line.makefile().readline().strip().partition(" ")
    (home / run_id).write_text(f"{os.getpid()} {bulk}")
    kind = run_id.partition("-")[0]
    if kind == "spin":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if kind in {"spin", "sleep"}:
        time.sleep(60)
    if kind == "child":
        left = subprocess.Popen(["sleep", "60"])  # noqa: S607 -- found on any PATH
        (home / "left").write_text(str(left.pid))
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)


def fork(home: Path, line: socket.socket) -> int:
    """Fork a worker."""
    pool = os.getpid()
    if pid := os.fork():
        return pid
    try:
        work(home, pool, line)
    finally:
        os._exit(0)


def fork_command(caller: socket.socket, files: Sequence[int]) -> int:
    """Fork a process that runs a command."""
    pool = os.getpid()
    if pid := os.fork():
        return pid
    try:
        end_with_parent(pool)
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run_command(caller, files)
    finally:
        os._exit(1)


def finalize(home: Path, run_id: str) -> None:
    """Record a run whose worker did not record its end."""
    with (home / "finalized").open("a") as finalized:
        finalized.write(f"{run_id}\n")


def serve(home: Path, drain_s: float = 0) -> None:
    """Serve until SIGTERM, in a process of its own."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    limits = PoolLimits(interactive=2, bulk=1, room=4)
    pool = Pool(limits, partial(fork, home), partial(finalize, home), fork_command, IDENTITY)
    pool.serve(home, lambda: len(stop), drain_s)
