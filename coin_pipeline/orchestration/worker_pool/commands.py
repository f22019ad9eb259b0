"""Commands of this user that the pool runs in a fork with loaded code, as if the caller's process had run them.

The caller passes its standard streams, environment, working directory, module path and umask. It remains as a proxy,
which forwards signals and returns the exit code. The environment may contain secrets: it goes through a socket that
only this user can open, and only the fork reads it.
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import coin_pipeline
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.orchestration.entry_point import run_main
from coin_pipeline.orchestration.worker_pool.protocol import TIMEOUT_S, socket_address

FORWARDED = (signal.SIGINT, signal.SIGTERM)
"""Signals that the caller's process passes on. If another one ends it, the command is killed."""
STREAMS = ("stdin", "stdout", "stderr")


def identity_of(package: Path) -> str:
    """Return a digest of what must be equal for a command to behave the same in another process.

    These are the source files of a package and the installed packages as they are now, the interpreter, the user, the
    limits that a shell sets, and the files that a path refers to, which are others in a container.
    """
    sources = [(str(path), path.stat().st_mtime_ns) for path in sorted(package.rglob("*.py"))]
    sources.append(("", Path(sysconfig.get_path("purelib")).stat().st_mtime_ns))
    place: list[object] = [sys.executable, sys.version, os.geteuid(), os.getegid(), sorted(os.getgroups())]
    if sys.platform == "linux":
        limits = [
            resource.getrlimit(limit) for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_CPU)
        ]
        place += [limits, os.nice(0), sorted(os.sched_getaffinity(0)), Path("/proc/self/ns/mnt").stat().st_ino]
    return hashlib.sha256(json.dumps([place, sources]).encode()).hexdigest()


IDENTITY = identity_of(Path(coin_pipeline.__file__).parent)
"""That of this process. Taken when it loads the code: its forks have that code although the files may change."""


def run_in_pool(home: Path, module: str, argv: Sequence[str], identity: str = IDENTITY) -> int | None:
    """Run the `main` of a module in the pool, with the streams of this process.

    Args:
        home: Directory of the pool's socket.
        module: Name of the module.
        argv: `sys.argv` of the command.
        identity: What the pool's must be equal to.

    Returns:
        The exit code; None if no pool of this user with the same code responds, and nothing was run.

    Raises:
        ServiceUnavailable: The pool or the command was killed.
    """
    if sys.platform != "linux" or None in {sys.stdin, sys.stdout, sys.stderr}:
        return None  # elsewhere a command would outlive the pool; a stream that is closed cannot be passed
    with socket.socket(socket.AF_UNIX) as pool:
        pool.settimeout(TIMEOUT_S)
        try:
            command = json.dumps({"module": module, "argv": [*argv], **_surroundings()}).encode() + b"\n"
            with socket_address(home) as name:
                pool.connect(name)
            socket.send_fds(pool, [json.dumps({"command": identity}).encode() + b"\n"], [0, 1, 2])
            answers = pool.makefile("r")
            if not json.loads(answers.readline() or "{}").get("ok"):
                return None
        except (OSError, ValueError):
            return None
        pool.settimeout(None)
        forwarded = _hand_over(pool, command)
        code = answers.readline()
    if code:
        return int(code)
    if forwarded:  # it ended the command, as it would have ended this process
        signal.signal(forwarded[-1], signal.SIG_DFL)
        os.kill(os.getpid(), forwarded[-1])
    raise ServiceUnavailable("the process of this command in the worker pool was killed; was 'coin up' stopped?")


def _hand_over(pool: socket.socket, command: bytes) -> list[int]:
    """Send the command, and forward the signals that arrive from then on; return them as they arrive."""
    forwarded: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        forwarded.append(number)
        with contextlib.suppress(OSError):  # the command has just ended
            pool.sendall(bytes([number]))

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # none falls between two bytes of the command
    pool.sendall(command)
    for signum in FORWARDED:
        if signal.getsignal(signum) != signal.SIG_IGN:  # as in a shell's background jobs
            signal.signal(signum, forward)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return forwarded


def run_command(caller: socket.socket, files: Sequence[int]) -> NoReturn:
    """Run a command for a caller in this forked process, then exit.

    Args:
        caller: Connection on which the caller waits.
        files: The caller's standard streams; closed.
    """
    caller.settimeout(None)
    caller.sendall(b'{"ok": true}\n')
    received = caller.makefile("rb")
    line = received.readline()
    if not line:
        os._exit(0)  # the caller did not wait for the answer
    command = json.loads(line)
    _take_surroundings(command, files)
    code = _run_as_interpreter(command["module"], command["argv"], received)
    caller.sendall(b"%d\n" % code)
    os._exit(code)


def _run_as_interpreter(module: str, argv: Sequence[str], signals: BinaryIO) -> int:
    """Run a program, and report what it does not handle as Python would; return the exit code."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_follow, args=(signals,), daemon=True).start()
        code = run_main(module, argv)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001 -- the frames below belong to the pool
        sys.excepthook(type(error), error, error.__traceback__)
        return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return code


def _surroundings() -> dict[str, Any]:
    umask = os.umask(0o077)
    os.umask(umask)
    streams = [getattr(sys, name) for name in STREAMS]
    return {
        "cwd": str(Path.cwd()),
        "environment": {**os.environ},
        "path": sys.path,
        "umask": umask,
        "streams": [(stream.encoding, stream.errors, stream.line_buffering) for stream in streams],
    }


def _take_surroundings(command: dict[str, Any], files: Sequence[int]) -> None:
    """Replace what this process has inherited from the pool by what the caller has."""
    from coin_pipeline import logs  # noqa: PLC0415 -- the caller, which imports this module, need not load the settings

    logs.unconfigure()
    os.chdir(command["cwd"])
    os.umask(command["umask"])
    os.environ.clear()
    os.environ.update(command["environment"])
    time.tzset()
    sys.path[:] = command["path"]
    for number, (name, file) in enumerate(zip(STREAMS, files, strict=True)):
        os.dup2(file, number)
        os.close(file)
        encoding, errors, line_buffering = command["streams"][number]
        stream = os.fdopen(number, "r" if name == "stdin" else "w", encoding=encoding, errors=errors, closefd=False)
        stream.reconfigure(line_buffering=line_buffering)
        setattr(sys, name, stream)


def _follow(signals: BinaryIO) -> None:
    """Deliver the signals that the caller forwards, one byte each; end with it, as its own process would."""
    while number := signals.read(1):  # of the reader's buffer first: the command's segment may have contained it
        os.kill(os.getpid(), number[0])
    os.kill(os.getpid(), signal.SIGKILL)
