"""The programs behind `coin up`: started together, started again when they die, and stopped together."""

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

import click

from coin_pipeline.errors import InvalidInput, OrchestratorUnavailable, Problem
from coin_pipeline.storage.atomic import translate_os_errors

LOOPBACK = "127.0.0.1"
STOP_S = 15
LOOK_S = 0.1
_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded here: between fork and exec it is too late for a dynamic linker's lock


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a program that dies is started again: at once, then twice as late each time that it dies soon again.

    A database that is away for a minute must not end the platform; a program that cannot run must not try for ever.
    """

    first_s: float = 0.2
    longest_s: float = 10.0
    sound_s: float = 10.0
    """A program that stayed up for so long is sound: its next death is its first."""
    give_up_s: float = 120.0
    """Dying soon for so long, it ends the platform."""

    def pause_s(self, deaths: int) -> float:
        """Return how long to wait after so many deaths in a row."""
        return min(self.first_s * 2.0 ** (deaths - 1), self.longest_s)


@dataclass(slots=True)
class ManagedProcess:
    """One program: its name, its command, where it logs, its process, and since when it is up or keeps dying."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes]
    started: float
    sound: float
    """When it was started first, or died after it had been up for a while."""
    deaths: int = 0
    due: float | None = None
    """When it is started again; None while it is up."""


class ProcessSupervisor:
    """Programs that run until they are told to stop; a context manager that stops all of them, whatever happens."""

    def __init__(
        self,
        logs: Path,
        environment: dict[str, str],
        stopping: threading.Event,
        patience: RestartPolicy = RestartPolicy(),
    ) -> None:
        self._logs = logs
        self._environment = environment
        self._stopping = stopping
        self._patience = patience
        self._services: list[ManagedProcess] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start `python -m module arguments`."""
        log, command = self._logs / f"{name}.log", [sys.executable, "-m", module, *arguments]
        process, now = self._process(command, log), time.monotonic()
        self._services.append(ManagedProcess(name, command, log, process, started=now, sound=now))

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
            time.sleep(LOOK_S)

    def check(self) -> None:
        """Raise OrchestratorUnavailable if a program has ended."""
        for service in self._services:
            if service.process.poll() is not None:
                raise _given_up(service)

    def watch(self) -> None:
        """Start programs that die again until we are told to stop.

        Raises:
            OrchestratorUnavailable: a program does not stay up.
        """
        while not self._stopping.wait(LOOK_S):
            for service in self._services:
                if service.due is None:
                    self._look_after(service)
                elif time.monotonic() > service.due:
                    service.process, service.started = self._process(service.command, service.log), time.monotonic()
                    service.due = None

    def stop(self) -> None:
        """Ask every program to end, last started first; kill what is still there when the time is over."""
        running = [service for service in self._services if service.due is None]
        for service in reversed(running):
            _signal_group(service, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for service in running:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.0, deadline - time.monotonic()))
            # What the program itself started may outlive it.
            _signal_group(service, signal.SIGKILL)
            service.process.wait()
        self._services.clear()

    def _look_after(self, service: ManagedProcess) -> None:
        """If it died, end what it started, tell, and say when it is started again."""
        if service.process.poll() is None:
            return
        _signal_group(service, signal.SIGKILL)
        now = time.monotonic()
        if now - service.started > self._patience.sound_s:
            service.deaths, service.sound = 0, now
        if now - service.sound > self._patience.give_up_s:
            raise _given_up(service)
        service.deaths += 1
        service.due = now + self._patience.pause_s(service.deaths)
        with suppress(OSError):  # standard error may be a file on a full disk
            click.echo(f"{service.name} {_end_of(service)} and is started again; its log is {service.log}", err=True)

    def _process(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, so that Ctrl-C reaches only us and what it starts is its group."""
        us = os.getpid()
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 -- our own modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=lambda: _end_with(us),  # noqa: PLW1509 -- no other thread of ours runs
            )


def lock_data_root(data_root: Path) -> IO[str]:
    """Hold the right to serve `data_root` until the returned file is closed, or this process ends.

    Raises:
        InvalidInput: another `coin up` serves it; two daemons would run everything twice.
        StorageFailed: the folder cannot be made or written.
    """
    with translate_os_errors(data_root):
        data_root.mkdir(parents=True, exist_ok=True)
        lock = (data_root / "up.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        reason = f"another 'coin up' serves {data_root}; stop it, or name another folder"
        raise InvalidInput([Problem("DATA_ROOT", reason)]) from None
    return lock


def require_free_ports(ports: Sequence[tuple[str, int]]) -> None:
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


def find_free_port() -> int:
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


def _end_of(service: ManagedProcess) -> str:
    """Say how a program ended."""
    code = service.process.returncode
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _given_up(service: ManagedProcess) -> OrchestratorUnavailable:
    tail = "\n".join(service.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
    return OrchestratorUnavailable(f"{service.name} {_end_of(service)}; {service.log} ends:\n{tail}")


def _signal_group(service: ManagedProcess, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, signum)


def _end_with(parent: int) -> None:
    """Have Linux end this program when ours is killed; elsewhere only an orderly stop ends it."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before we asked
            os.kill(os.getpid(), signal.SIGKILL)
