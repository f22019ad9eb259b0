"""Event loop of the pool: assigns runs to workers, keeps standby workers, reaps ended ones. It never blocks."""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coin_pipeline.database.runs.processes import KILL_GRACE_S
from coin_pipeline.orchestration.worker_pool.commands import STREAMS
from coin_pipeline.orchestration.worker_pool.protocol import SOCKET_NAME, Message, socket_address
from coin_pipeline.orchestration.worker_pool.sharing import PoolLimits, RunRequest, may_bypass_queue, next_run
from coin_pipeline.orchestration.worker_pool.worker import READY
from coin_pipeline.storage.file_lock import file_id

RESERVATION_TTL_S = 5.0
POLL_S = 0.25
MAX_STANDBY = 4
"""Maximum number of idle workers."""
RESPAWN_DELAY_S = 1.0
"""Delay before a worker is replaced that ended before it was ready, for example during a database outage."""
MAX_REQUEST_BYTES = 4096


@dataclass(slots=True, eq=False)
class Worker:
    """A forked process that becomes ready, executes one run and ends."""

    pid: int
    line: socket.socket
    ready: bool = False
    run_id: str | None = None
    request: RunRequest | None = None
    kill_at: float | None = None


class Pool:
    """Workers and the runs that wait for one.

    Args:
        limits: How many runs execute and wait.
        fork: Forks a worker that sends READY over the given socket; returns its process id.
        finalize: Records the end of a run whose worker did not.
        fork_command: Forks a process that runs a command for a caller, given its connection and standard streams;
            returns its process id.
        identity: That of the commands it runs; None if it runs none.
    """

    def __init__(
        self,
        limits: PoolLimits,
        fork: Callable[[socket.socket], int],
        finalize: Callable[[str], None],
        fork_command: Callable[[socket.socket, Sequence[int]], int],
        identity: str | None,
    ) -> None:
        self._limits = limits
        self._fork = fork
        self._finalize = finalize
        self._fork_command = fork_command
        self._identity = identity
        self._commands: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._waiting: dict[str, RunRequest] = {}
        self._reserved: dict[str, tuple[RunRequest, float]] = {}
        self._respawn_at = 0.0
        self._is_draining = False

    def serve(self, home: Path, stop_signals: Callable[[], int], drain_s: float = 0) -> None:
        """Serve requests until the first stop signal, then until the executing runs have ended, or a second signal.

        Runs that are handed over meanwhile wait for the next pool. A socket that is deleted or replaced while the pool
        serves is created again.

        Args:
            home: Directory of the socket.
            stop_signals: Returns how many signals have been received; called several times a second.
            drain_s: Longest wait for executing runs; those that remain are ended with the pool, and executed again.
        """
        deadline = 0.0

        def has_ended() -> bool:
            nonlocal deadline
            signals = stop_signals()
            if signals and not self._is_draining:
                self._is_draining, deadline = True, time.monotonic() + drain_s
            is_idle = not (self._executing() or self._commands)
            return self._is_draining and (signals > 1 or is_idle or time.monotonic() > deadline)

        while not has_ended():
            with self._listening(home) as is_reachable:
                self._tend()
                while is_reachable() and not has_ended():
                    for key, _ in self._selector.select(POLL_S):
                        key.data(key.fileobj)
                    self._tend()

    @contextlib.contextmanager
    def _listening(self, home: Path) -> Iterator[Callable[[], bool]]:
        """Listen on a new socket in `home`; yield a function that returns whether clients can still find it."""
        path = home / SOCKET_NAME
        with socket.socket(socket.AF_UNIX) as listener, socket_address(home) as name:
            path.unlink(missing_ok=True)
            listener.bind(name)
            path.chmod(0o600)
            listener.listen(128)
            listener.setblocking(False)
            own = file_id(path)
            self._selector.register(listener, selectors.EVENT_READ, self._accept)
            try:
                yield lambda: file_id(path) == own
            finally:
                self._selector.unregister(listener)

    def handle(self, request: Message) -> Message:
        """Execute a request and return the response."""
        run = RunRequest(str(request.get("owner", "")), bool(request.get("bulk")))
        if "reserve" in request:
            return {"ok": self._reserve(str(request["reserve"]), run)}
        if "launch" in request:
            run_id = str(request["launch"])
            self._reserved.pop(run_id, None)
            if run_id not in self._known():
                self._waiting[run_id] = run
            return {"ok": True}
        if "cancel" in request:
            return {"known": self._cancel(str(request["cancel"]))}
        return {"runs": self._known()}

    def reap(self) -> None:
        """Reap ended processes, and finalize runs whose worker was killed or could not record the end."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._workers.pop(pid, None)
            if worker or pid in self._commands:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)  # processes that it started
            self._commands.discard(pid)
            if worker is None:
                continue  # it ran a command, or finalized a run
            self._selector.unregister(worker.line)
            worker.line.close()
            if not worker.ready:
                self._respawn_at = time.monotonic() + RESPAWN_DELAY_S
            if worker.run_id and status:
                self._finalize(worker.run_id)

    def _known(self) -> dict[str, int | None]:
        running = {worker.run_id: worker.pid for worker in self._workers.values() if worker.run_id}
        return {**dict.fromkeys([*self._reserved, *self._waiting]), **running}

    def _reserve(self, run_id: str, run: RunRequest) -> bool:
        in_pool = [*(reserved for reserved, _ in self._reserved.values()), *self._waiting.values(), *self._executing()]
        if self._is_draining or not may_bypass_queue(self._limits, run.owner, in_pool):
            return False
        self._reserved[run_id] = run, time.monotonic() + RESERVATION_TTL_S
        return True

    def _executing(self) -> list[RunRequest]:
        return [worker.request for worker in self._workers.values() if worker.request]

    def _cancel(self, run_id: str) -> bool:
        """Interrupt a run's worker; return False if it has none."""
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
        self._reserved = {run_id: (run, until) for run_id, (run, until) in self._reserved.items() if until > now}
        for worker in self._workers.values():
            if worker.kill_at and worker.kill_at < now:
                # Neither compiled loops nor stopped processes react to an interrupt.
                os.killpg(worker.pid, signal.SIGKILL)
        if self._is_draining:
            return
        self._assign()
        idle = sum(worker.run_id is None for worker in self._workers.values())
        if now > self._respawn_at:
            for _ in range(min(self._limits.workers, MAX_STANDBY) - idle):
                self._start_worker()

    def _assign(self) -> None:
        ready = [worker for worker in self._workers.values() if worker.ready and worker.run_id is None]
        while ready and (run_id := next_run(self._limits, self._waiting, self._executing())):
            worker, run = ready.pop(0), self._waiting[run_id]
            with contextlib.suppress(BrokenPipeError):  # it has just ended: the run waits for another worker
                worker.line.sendall(f"{run_id} {int(run.bulk)}\n".encode())
                worker.run_id, worker.request = run_id, run
                del self._waiting[run_id]

    def _start_worker(self) -> None:
        own_end, worker_end = socket.socketpair()
        pid = self._fork(worker_end)
        worker_end.close()
        own_end.setblocking(False)
        worker = self._workers[pid] = Worker(pid, own_end)
        self._selector.register(own_end, selectors.EVENT_READ, lambda _: self._receive(worker))

    def _receive(self, worker: Worker) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionResetError):  # `reap` handles an ended worker
            worker.ready = worker.line.recv(len(READY)) == READY or worker.ready

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError):  # the client hung up or sent no valid request
            client, _ = listener.accept()
            with client:
                client.settimeout(1)
                text, files, _, _ = socket.recv_fds(client, MAX_REQUEST_BYTES, len(STREAMS))
                try:
                    self._answer(client, dict(json.loads(text)), files)
                finally:
                    for file in files:
                        os.close(file)

    def _answer(self, client: socket.socket, request: Message, files: Sequence[int]) -> None:
        if "command" not in request:
            client.sendall(json.dumps(self.handle(request)).encode() + b"\n")
        elif request["command"] == self._identity is not None and len(files) == len(STREAMS) and not self._is_draining:
            self._commands.add(self._fork_command(client, files))  # the fork answers
