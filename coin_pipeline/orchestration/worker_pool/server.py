"""The pool's one loop: hands runs to workers, keeps some ready, sees workers end. It has no thread and never waits."""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coin_pipeline.orchestration.worker_pool.protocol import KILL_GRACE_S, SOCKET_NAME, Message, socket_address
from coin_pipeline.orchestration.worker_pool.worker import READY

RESERVATION_TTL_S = 5.0
POLL_S = 0.25
MAX_STANDBY = 4
"""Workers that are kept ready, at most."""
RESPAWN_DELAY_S = 1.0
"""Before another worker is made where one has ended without getting ready: the database is away, say."""
MAX_REQUEST_BYTES = 4096


@dataclass(slots=True, eq=False)
class Worker:
    """A forked process: it gets ready, has a run, ends."""

    pid: int
    line: socket.socket
    ready: bool = False
    run_id: str | None = None
    bulk: bool = False
    kill_at: float | None = None


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much the pool takes on.

    Attributes:
        interactive: Runs that somebody waits for, at a time.
        bulk: Other runs, at a time.
        room: Runs that skip the queue, waiting and running.
    """

    interactive: int
    bulk: int
    room: int


class Pool:
    """Workers and what they are to run.

    Args:
        fork: Makes a worker that says READY on its end of the given pair of sockets.
        settle: Records how a run ended whose worker cannot.
    """

    def __init__(self, limits: PoolLimits, fork: Callable[[socket.socket], int], settle: Callable[[str], None]) -> None:
        self._limits = limits
        self._fork = fork
        self._settle = settle
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._waiting: dict[str, bool] = {}
        self._reserved: dict[str, float] = {}
        self._fork_again_at = 0.0

    def serve(self, home: Path, stopping: Callable[[], bool]) -> None:
        """Answer requests until told to stop."""
        with socket.socket(socket.AF_UNIX) as door, socket_address(home) as name:
            with contextlib.suppress(FileNotFoundError):
                (home / SOCKET_NAME).unlink()
            door.bind(name)
            (home / SOCKET_NAME).chmod(0o600)
            door.listen(128)
            door.setblocking(False)
            self._selector.register(door, selectors.EVENT_READ, self._open)
            self._tend()
            while not stopping():
                for key, _ in self._selector.select(POLL_S):
                    key.data(key.fileobj)
                self._tend()

    def answer(self, request: Message) -> Message:
        """Do what a request asks for."""
        if "reserve" in request:
            return {"ok": self._reserve(str(request["reserve"]))}
        if "launch" in request:
            run_id = str(request["launch"])
            self._reserved.pop(run_id, None)
            if run_id not in self._known():
                self._waiting[run_id] = bool(request.get("bulk"))
            return {"ok": True}
        if "cancel" in request:
            return {"known": self._cancel(str(request["cancel"]))}
        return {"runs": self._known()}

    def reap(self) -> None:
        """Take note of processes that ended; a run whose worker was killed, or could not tell its end, is settled."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue  # it settled a run
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what the run itself started
            self._selector.unregister(worker.line)
            worker.line.close()
            if not worker.ready:
                self._fork_again_at = time.monotonic() + RESPAWN_DELAY_S
            if worker.run_id and status:
                self._settle(worker.run_id)

    def _known(self) -> dict[str, int | None]:
        running = {worker.run_id: worker.pid for worker in self._workers.values() if worker.run_id}
        return {**dict.fromkeys([*self._reserved, *self._waiting]), **running}

    def _reserve(self, run_id: str) -> bool:
        bulk = sum(worker.bulk for worker in self._workers.values()) + sum(self._waiting.values())
        if len(self._known()) - bulk >= self._limits.room:
            return False
        self._reserved[run_id] = time.monotonic() + RESERVATION_TTL_S
        return True

    def _cancel(self, run_id: str) -> bool:
        """Interrupt a run's worker; False if there is none."""
        self._waiting.pop(run_id, None)
        for worker in self._workers.values():
            if worker.run_id == run_id:
                os.kill(worker.pid, signal.SIGINT)
                worker.kill_at = worker.kill_at or time.monotonic() + KILL_GRACE_S
                return True
        return False

    def _tend(self) -> None:
        now = time.monotonic()
        self.reap()
        self._reserved = {run_id: until for run_id, until in self._reserved.items() if until > now}
        for worker in self._workers.values():
            if worker.kill_at and worker.kill_at < now:
                # A loop in machine code hears no interrupt; a stopped process none either.
                os.killpg(worker.pid, signal.SIGKILL)
        self._hand_out()
        idle = sum(worker.run_id is None for worker in self._workers.values())
        if now > self._fork_again_at:
            for _ in range(min(self._limits.interactive + self._limits.bulk, MAX_STANDBY) - idle):
                self._start_worker()

    def _hand_out(self) -> None:
        ready = [worker for worker in self._workers.values() if worker.ready and worker.run_id is None]
        for run_id, bulk in list(self._waiting.items()):
            busy = sum(worker.run_id is not None and worker.bulk == bulk for worker in self._workers.values())
            if not ready or busy >= (self._limits.bulk if bulk else self._limits.interactive):
                continue
            worker = ready.pop(0)
            with contextlib.suppress(BrokenPipeError):  # it has just ended: the run waits for the next one
                worker.line.sendall(f"{run_id} {int(bulk)}\n".encode())
                worker.run_id, worker.bulk = run_id, bulk
                del self._waiting[run_id]

    def _start_worker(self) -> None:
        ours, theirs = socket.socketpair()
        pid = self._fork(theirs)
        theirs.close()
        ours.setblocking(False)
        worker = self._workers[pid] = Worker(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._hear(worker))

    def _hear(self, worker: Worker) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionResetError):  # one that ends is noticed by reap
            worker.ready = worker.line.recv(len(READY)) == READY or worker.ready

    def _open(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # a caller that hung up, or none of ours
            caller, _ = door.accept()
            with caller:
                caller.settimeout(1)
                request = json.loads(caller.recv(MAX_REQUEST_BYTES))
                caller.sendall(json.dumps(self.answer(request)).encode() + b"\n")
