"""The programs behind `coin up`: started together, watched, and stopped together."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from coin_pipeline.errors import InvalidInput, OrchestratorUnavailable, Problem
from coin_pipeline.storage.atomic import storing

LOOPBACK = "127.0.0.1"
STOP_S = 15
_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Service:
    """One program: its name, its process, and where it logs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Services:
    """Programs that live and die together; a context manager that stops all of them, whatever happens."""

    def __init__(self, logs: Path, environment: dict[str, str], stopping: threading.Event) -> None:
        self._logs = logs
        self._environment = environment
        self._stopping = stopping
        self._running: list[Service] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start `python -m module arguments`, in a session of its own so that Ctrl-C reaches only us."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own modules
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 -- no other thread of ours runs
            )
        self._running.append(Service(name, process, log))

    def wait_for(self, url: str, timeout_s: float) -> None:
        """Wait until `url` answers 200, or we are told to stop.

        Raises:
            OrchestratorUnavailable: a program ended, or the time is over; the message holds the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not (self._stopping.is_set() or _answers(url)):
            self.check()
            if time.monotonic() > deadline:
                raise OrchestratorUnavailable(f"{url} does not answer after {timeout_s:.0f} s; see {self._logs}")
            time.sleep(0.1)

    def watch(self) -> None:
        """Wait until we are told to stop.

        Raises:
            OrchestratorUnavailable: a program ended before that.
        """
        while not self._stopping.wait(0.5):
            self.check()

    def check(self) -> None:
        """Raise OrchestratorUnavailable if a program has ended."""
        for service in self._running:
            code = service.process.poll()
            if code is not None:
                tail = "\n".join(service.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
                raise OrchestratorUnavailable(
                    f"{service.name} ended with exit code {code}; {service.log} ends:\n{tail}"
                )

    def stop(self) -> None:
        """Ask every program to end, last started first; kill what is still there when the time is over."""
        for service in reversed(self._running):
            _signal_group(service, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for service in self._running:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.0, deadline - time.monotonic()))
            # What the program itself started may outlive it.
            _signal_group(service, signal.SIGKILL)
            service.process.wait()
        self._running.clear()


def only_one(data_root: Path) -> IO[str]:
    """Hold the right to serve `data_root` until the returned file is closed, or this process ends.

    Raises:
        InvalidInput: another `coin up` serves it; two daemons would run everything twice.
        StorageFailed: the folder cannot be made or written.
    """
    with storing(data_root):
        data_root.mkdir(parents=True, exist_ok=True)
        lock = (data_root / "up.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        reason = f"another 'coin up' serves {data_root}; stop it, or name another folder"
        raise InvalidInput([Problem("DATA_ROOT", reason)]) from None
    return lock


def require_free(ports: Sequence[tuple[str, int]]) -> None:
    """Raise InvalidInput naming each option whose port another program listens on."""
    taken = []
    for option, port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                taken.append(Problem(option, f"port {port} cannot be used ({error.strerror}); choose another"))
    if taken:
        raise InvalidInput(taken)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- a loopback URL made by us
            return bool(response.status == 200)  # noqa: PLR2004 -- HTTP OK
    except OSError:  # refused, reset, timed out, or an answer other than 2xx
        return False


def _signal_group(service: Service, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, signum)


def _end_with_parent() -> None:
    """Have Linux end this program when ours is killed; elsewhere only an orderly stop ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
