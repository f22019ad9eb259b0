"""Supervisor of the processes behind `coin up`: starts them together, restarts those that die, stops them together."""

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from coin_pipeline.cli.programs import Program, can_fork, exec_program, fork_program
from coin_pipeline.errors import InvalidInput, InvalidSettings, OrchestratorUnavailable, StorageFailed
from coin_pipeline.storage.access import make_folders, make_private
from coin_pipeline.storage.log_files import DEFAULT_LIMIT, LogFile, LogLimit
from coin_pipeline.web.exposure import listen_problem

STOP_TIMEOUT_S = 15
POLL_S = 0.1
RESTORE_INTERVAL_S = 1.0
_LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Exponential backoff between restarts of a process that keeps dying.

    A database outage of a minute must not stop the platform, and a process that cannot run must not be retried forever.

    Attributes:
        first_s: Delay before the first restart.
        longest_s: Upper bound of the delay, which doubles with each death in a row.
        stable_s: Uptime after which a process counts as stable and its restart delay is reset.
        give_up_s: Time without a stable start after which the platform stops.
    """

    first_s: float = 0.2
    longest_s: float = 10.0
    stable_s: float = 10.0
    give_up_s: float = 120.0

    def delay_s(self, deaths: int) -> float:
        """Return the delay before the restart that follows `deaths` deaths in a row.

        >>> RestartPolicy().delay_s(3)
        0.8
        """
        return min(self.first_s * 2.0 ** (deaths - 1), self.longest_s)


@dataclass(slots=True)
class ManagedProcess:
    """A supervised process.

    Attributes:
        name: Name shown in messages and used for the log file.
        command: Module and arguments.
        log: Log that receives its output.
        process: The current, or most recent, process.
        started: Monotonic time of the latest start, s.
        unstable_since: Monotonic time of the first start, or of the latest death after a stable run, s.
        deaths: Deaths in a row.
        restart_at: Monotonic time of the next start, s; None while the process runs.
        socket: Unix socket that it listens on, if any.
        is_listening: Whether the current process has created its socket.
    """

    name: str
    command: Sequence[str]
    log: LogFile
    process: Program
    started: float
    unstable_since: float
    deaths: int = 0
    restart_at: float | None = None
    socket: Path | None = None
    is_listening: bool = False

    @property
    def is_unreachable(self) -> bool:
        """Whether the socket of the process was deleted, which it cannot create again."""
        return not self.note_socket() and self.is_listening

    def note_socket(self) -> bool:
        """Return whether the process has the socket that it listens on, if any, and remember if it has created it."""
        exists = self.socket is None or self.socket.exists()
        self.is_listening |= self.socket is not None and exists
        return exists


class ProcessSupervisor:
    """Runs processes until asked to stop; as a context manager, stops all of them on exit.

    Args:
        logs: Folder of the log files; created if missing.
        environment: Environment of the processes.
        stopping: Event that ends `wait_for` and `watch`.
        policy: When to restart a process that died.
        log_limit: Bound of each log.
        has_preloaded: Whether this process has called `preload`, so that programs may be forks of it.
    """

    def __init__(
        self,
        logs: Path,
        environment: dict[str, str],
        stopping: threading.Event,
        policy: RestartPolicy = RestartPolicy(),
        log_limit: LogLimit = DEFAULT_LIMIT,
        *,
        has_preloaded: bool = False,
    ) -> None:
        self._logs = logs
        self._log_limit = log_limit
        self._environment = environment
        self._stopping = stopping
        self._policy = policy
        self._has_preloaded = has_preloaded
        self._managed: list[ManagedProcess] = []
        self._problem = ""
        self._make_log_folder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, *arguments: str, socket: Path | None = None) -> None:
        """Start a module with arguments, as `python -m` does; it listens on a Unix socket, if one is given."""
        log = LogFile(self._logs / f"{name}.log", self._log_limit)
        command = [module, *arguments]
        process, now = self._spawn(name, command, log), time.monotonic()
        self._managed.append(
            ManagedProcess(name, command, log, process, started=now, unstable_since=now, socket=socket)
        )

    def wait_for(self, url: str, timeout_s: float) -> None:
        """Wait until `url` responds with 200 or the supervisor is asked to stop.

        Raises:
            OrchestratorUnavailable: A process died, or the timeout expired; the message ends with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not (self._stopping.is_set() or _responds(url)):
            self.check()
            if time.monotonic() > deadline:
                raise OrchestratorUnavailable(f"{url} does not respond after {timeout_s:.0f} s; see {self._logs}")
            time.sleep(POLL_S)
        for managed in self._managed:
            managed.note_socket()

    def check(self) -> None:
        """Raise OrchestratorUnavailable if a process has died."""
        for managed in self._managed:
            if managed.process.poll() is not None:
                raise _unavailable(managed)

    def watch(self, restore: Callable[[], None] = lambda: None) -> None:
        """Restart processes that die until asked to stop.

        Args:
            restore: Creates deleted files again that processes need; called once a second.

        Raises:
            OrchestratorUnavailable: A process does not stay up.
        """
        restore_at = time.monotonic()
        while not self._stopping.wait(POLL_S):
            if time.monotonic() > restore_at:
                restore_at = time.monotonic() + RESTORE_INTERVAL_S
                self._restore_files(restore)
            for managed in self._managed:
                managed.log.keep_bounded()
                if managed.restart_at is None:
                    self._schedule_restart_if_dead(managed)
                elif time.monotonic() > managed.restart_at:
                    managed.process, managed.started = (
                        self._spawn(managed.name, managed.command, managed.log),
                        time.monotonic(),
                    )
                    managed.restart_at, managed.is_listening = None, False

    def stop(self) -> None:
        """Terminate every process, the last started first; kill those still running after the timeout."""
        running = [managed for managed in self._managed if managed.restart_at is None]
        for managed in reversed(running):
            _signal_group(managed, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for managed in running:
            with suppress(subprocess.TimeoutExpired):
                managed.process.wait(max(0.0, deadline - time.monotonic()))
            # Children of the process may outlive it.
            _signal_group(managed, signal.SIGKILL)
            managed.process.wait()
        for managed in self._managed:
            managed.log.close()
        self._managed.clear()

    def _restore_files(self, restore: Callable[[], None]) -> None:
        """Restore files; an error, which a full disk may cause, is reported once."""
        try:
            restore()
            self._make_log_folder()  # for the logs of processes that run
            problem = ""
        except (OSError, StorageFailed, InvalidSettings) as error:
            problem = str(error)
        if problem and problem != self._problem:
            with suppress(OSError):
                click.echo(f"cannot restore deleted files: {problem}", err=True)
        self._problem = problem

    def _make_log_folder(self) -> None:
        make_folders(self._logs.parent)
        make_private(self._logs)

    def _schedule_restart_if_dead(self, managed: ManagedProcess) -> None:
        """Kill the children of a dead or unreachable process, print a message and schedule its restart."""
        if managed.is_unreachable:
            _signal_group(managed, signal.SIGKILL)
            managed.process.wait()
        if managed.process.poll() is None:
            return
        _signal_group(managed, signal.SIGKILL)
        now = time.monotonic()
        if now - managed.started > self._policy.stable_s:
            managed.deaths, managed.unstable_since = 0, now
        if now - managed.unstable_since > self._policy.give_up_s:
            raise _unavailable(managed)
        managed.deaths += 1
        managed.restart_at = now + self._policy.delay_s(managed.deaths)
        with suppress(OSError):  # standard error may be a file on a full disk
            click.echo(f"{managed.name} {_exit_reason(managed)}; restarting it (log: {managed.log.path})", err=True)

    def _spawn(self, name: str, command: Sequence[str], log: LogFile) -> Program:
        """Start a program whose output goes to its log."""
        self._make_log_folder()
        start = fork_program if self._has_preloaded and can_fork() else exec_program
        return start(name, command, self._environment, log.open_writer())


def require_free_ports(address: str, ports: Sequence[tuple[str, int]]) -> None:
    """Raise InvalidInput if a port is in use.

    Args:
        address: Address of this machine to listen on.
        ports: Each port with the option that sets it, which the error names.
    """
    problems = []
    for option, port in ports:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                problems.append(listen_problem(option, address, port, error))
    if problems:
        raise InvalidInput(problems)


def _responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- a loopback URL built by us
            return bool(response.status == 200)  # noqa: PLR2004 -- HTTP OK
    except OSError:  # refused, reset, timed out, or a response other than 2xx
        return False


def _exit_reason(managed: ManagedProcess) -> str:
    """Describe how a process ended."""
    code = managed.process.returncode
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


def _unavailable(managed: ManagedProcess) -> OrchestratorUnavailable:
    log = managed.log
    return OrchestratorUnavailable(
        f"{managed.name} {_exit_reason(managed)}; end of {log.path}:\n{log.tail(_LOG_TAIL_LINES)}"
    )


def _signal_group(managed: ManagedProcess, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(managed.process.pid, signum)
