"""Starts the programs of `coin up`: as forks of this process, which has loaded their code once for all of them.

Loading it takes seconds and hundreds of megabytes; forks share both. Elsewhere than on Linux, where libraries do not
survive a fork, and while this process runs other threads, each program is a new interpreter.
"""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol

from coin_pipeline.orchestration.entry_point import run_main
from coin_pipeline.parent_death import end_with_parent

CHECK = "check"
"""Stands for the check of the prerequisites, the first fork."""
PRELOADED: Mapping[str, Sequence[str]] = {
    CHECK: (
        "coin_pipeline.orchestration.worker_pool.commands",  # notes which files are loaded from now on
        "numpy",
        "pyarrow.parquet",
        "pandas",
        "numba",
        "coin_pipeline.strategies.registry",
        "coin_pipeline.candles.refresh_spec",
    ),
    "code-server": ("dagster", "coin_pipeline.definitions", "coin_pipeline.orchestration.code_server"),
    "pool": (
        "coin_pipeline.orchestration.worker_pool.__main__",
        "coin_pipeline.cli.app",
        "coin_pipeline.cli.backtests",
        "coin_pipeline.cli.views.progress",
        "coin_pipeline.cli.views.result",
        "coin_pipeline.defs.in_process",
        "coin_pipeline.results.reuse",
    ),
    "daemon": ("coin_pipeline.orchestration.daemon",),
    "webserver": ("coin_pipeline.orchestration.webserver",),
    "api": ("coin_api.__main__",),
}
"""Modules that a program finds loaded, besides those of the programs before it, in the order in which they are forked:
each starts while the modules of the next are loaded. Importing them starts no thread and opens no connection."""
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAIT_POLL_S = 0.01
_MAX_DESCRIPTORS = 1 << 20


class Program(Protocol):
    """A started program, as `subprocess.Popen` represents one."""

    pid: int
    returncode: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            subprocess.TimeoutExpired: The program still runs.
        """


class ForkedProgram:
    """A program that runs in a fork of this process.

    Args:
        pid: Its process id.
        name: Its name, for the error of `wait`.
    """

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.returncode = 0
        self._name = name
        self._has_ended = False

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if not self._has_ended:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return None
            self._has_ended, self.returncode = True, os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            subprocess.TimeoutExpired: The program still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self._name, timeout or 0)
            time.sleep(_WAIT_POLL_S)
        return code


def can_fork() -> bool:
    """Return whether a fork of this process is safe: on Linux, while it runs no other Python thread."""
    return sys.platform == "linux" and threading.active_count() == 1


def preload(program: str, between: Callable[[], None] = lambda: None) -> None:
    """Load the code of a program, and keep its pages shared with the forks; call `between` after each module."""
    gc.disable()  # a collection would only traverse what is being loaded
    for module in PRELOADED[program]:
        import_module(module)
        between()
    if program != CHECK:
        from coin_pipeline.orchestration._dagster_internals import load_command

        load_command(program)
    gc.freeze()
    gc.enable()


def fork_program(name: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> Program:
    """Run a program's `main` in a fork of this process, in a session of its own.

    Args:
        name: Shown by `top` and `ps -o comm`.
        command: Module and arguments, as `python -m` takes them.
        environment: Its environment.
        output: File descriptor of its output.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)  # until the child has handlers of its own
    pid = os.fork()
    if pid == 0:
        try:
            _become_program(name, parent, environment, output)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            _exit(run_main(command[0], command))
        except BaseException:  # noqa: BLE001 -- the frames below belong to the parent
            sys.excepthook(*sys.exc_info())
        finally:
            _exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return ForkedProgram(pid, name)


def exec_program(_name: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> Program:
    """Run `python -m` in a session of its own; see `fork_program`."""
    parent = os.getpid()
    return subprocess.Popen(  # noqa: S603 -- our own modules
        [sys.executable, "-m", *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # Ctrl-C does not reach it, and its children share its process group
        preexec_fn=lambda: end_with_parent(parent, signal.SIGTERM),  # noqa: PLW1509 -- this process runs no other thread
    )


def _become_program(name: str, parent: int, environment: Mapping[str, str], output: int) -> None:
    """Give this fork what `subprocess.Popen` gives a new process, and drop what belongs to the parent."""
    from coin_pipeline.database.url import forget_leases

    os.setsid()
    end_with_parent(parent, signal.SIGTERM)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, _MAX_DESCRIPTORS)  # above all the locks of the parent, which end with it
    forget_leases()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _exit(code: int) -> NoReturn:
    """End this fork without the clean-up of the parent, whose locks and programs it still refers to."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
