"""Commands that the worker pool runs for a caller, with real processes and a real socket."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.orchestration.worker_pool.commands import IDENTITY, identity_of
from coin_pipeline.orchestration.worker_pool.protocol import SOCKET_NAME, socket_address
from tests.orchestration.test_worker_pool import Running, has_ended, running_pool, wait_until

CALLER = """
import sys
from pathlib import Path
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.orchestration.worker_pool.commands import IDENTITY, run_in_pool
home, identity, *argv = sys.argv[1:]
try:
    code = run_in_pool(Path(home), "tests.orchestration.pool_command", ["coin", *argv], identity or IDENTITY)
except ServiceUnavailable as error:
    sys.exit(str(error))
sys.exit(99 if code is None else code)
"""
NOT_RUN = 99
"""Exit code of a caller for which the pool runs nothing."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the pool runs on Linux")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running pool, for the tests that leave it running."""
    with running_pool(tmp_path_factory.mktemp("pool") / "home") as running:
        yield running


def call(
    home: Path, *arguments: str, identity: str = "", redirection: str = "", cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Start a caller, with surroundings that are not the pool's; `identity` replaces its own."""
    return subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            f'exec "$@" {redirection}',
            "sh",
            sys.executable,
            "-c",
            CALLER,
            str(home),
            identity,
            *arguments,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd or home,
        umask=0o027,
        env={**os.environ, "MARK": "\u00fc", "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def report(caller: subprocess.Popen[str]) -> dict[str, Any]:
    """Send a caller a line, and return what its command reports."""
    assert caller.stdin
    assert caller.stdout
    caller.stdin.write("typed\n")
    caller.stdin.flush()
    reported: dict[str, Any] = json.loads(caller.stdout.readline())
    return reported


def descriptors(pool: Running) -> set[int]:
    """Return the open descriptors of the pool."""
    return {int(file.name) for file in Path(f"/proc/{pool.process.pid}/fd").iterdir()}


def test_a_command_has_the_surroundings_of_its_caller(pool: Running) -> None:
    """Arguments, directory, environment, umask and streams are the caller's, and the exit code is the command's."""
    caller = call(pool.home, "7")
    reported = report(caller)
    assert reported.pop("pid") != caller.pid
    assert {*reported.pop("inherited")} <= descriptors(pool)  # by programs that it starts
    assert reported == {
        "argv": ["coin", "7"],
        "cwd": str(pool.home),
        "mark": "\u00fc",
        "umask": 0o027,
        "input": "typed\n",
    }
    assert caller.communicate(timeout=60) == ("", "to stderr\n")
    assert caller.returncode == 7


def test_ctrl_c_interrupts_the_command(pool: Running) -> None:
    """The caller forwards the signal, and ends as the command does."""
    caller = call(pool.home, "sleep")
    report(caller)
    caller.send_signal(signal.SIGINT)
    caller.communicate(timeout=60)
    assert caller.returncode == 130


def test_a_signal_that_arrives_with_the_command_interrupts_it(pool: Running) -> None:
    """A Ctrl-C right after the start is in the same segment as the command."""
    command = {
        "module": "tests.orchestration.pool_command",
        "argv": ["coin", "sleep"],
        "cwd": str(pool.home),
        "environment": {},
        "path": sys.path,
        "umask": 0o022,
        "streams": [("utf-8", "strict", False)] * 3,
    }
    with (
        socket.socket(socket.AF_UNIX) as caller,
        socket_address(pool.home) as name,
        Path(os.devnull).open("r+") as null,
    ):
        caller.settimeout(30)
        caller.connect(name)
        socket.send_fds(caller, [json.dumps({"command": IDENTITY}).encode() + b"\n"], [null.fileno()] * 3)
        answers = caller.makefile("r")
        assert json.loads(answers.readline()) == {"ok": True}
        caller.sendall(json.dumps(command).encode() + b"\n" + bytes([signal.SIGINT]))
        assert answers.readline() == "130\n"


def test_sigterm_ends_both(pool: Running) -> None:
    """The caller ends by the signal that ended the command."""
    caller = call(pool.home, "sleep")
    pid = report(caller)["pid"]
    caller.terminate()
    caller.communicate(timeout=60)
    assert caller.returncode == -signal.SIGTERM
    wait_until(lambda: has_ended(pid))


def test_an_error_of_the_command_is_printed(pool: Running) -> None:
    """As Python prints it, on the caller's stream."""
    caller = call(pool.home, "raise")
    report(caller)
    assert caller.communicate(timeout=60)[1].endswith("RuntimeError: of the command\n")
    assert caller.returncode == 1


def test_a_command_leaves_nothing_in_the_pool(pool: Running) -> None:
    """Neither processes that it started, nor a zombie, nor descriptors."""
    before = descriptors(pool)
    caller = call(pool.home, "leave")
    pid = report(caller)["pid"]
    assert caller.stdout
    left = int(caller.stdout.readline())
    caller.communicate(timeout=60)
    wait_until(lambda: has_ended(left) and not Path(f"/proc/{pid}").exists())
    assert descriptors(pool) == before


def test_a_command_ends_with_its_caller(pool: Running) -> None:
    """Also if the caller is killed."""
    caller = call(pool.home, "sleep")
    pid = report(caller)["pid"]
    caller.kill()
    wait_until(lambda: has_ended(pid))
    caller.communicate()


def test_the_end_of_the_pool_is_reported(tmp_path: Path) -> None:
    """The command ends with the pool."""
    with running_pool(tmp_path / "home") as pool:
        caller = call(pool.home, "sleep")
        pid = report(caller)["pid"]
        pool.process.kill()
        assert "the process of this command in the worker pool was killed" in caller.communicate(timeout=60)[1]
        assert caller.returncode == 1
        wait_until(lambda: has_ended(pid))


def test_another_code_is_not_run(pool: Running) -> None:
    """The caller, whose files have changed since the pool loaded them, runs the command itself."""
    caller = call(pool.home, "0", identity="another")
    assert caller.communicate(timeout=60) == ("", "")
    assert caller.returncode == NOT_RUN


def test_an_edited_source_is_another_code(tmp_path: Path) -> None:
    """The time of the file is compared, which each edit changes."""
    source = tmp_path / "a.py"
    source.touch()
    before = identity_of(tmp_path)
    assert identity_of(tmp_path) == before
    os.utime(source, (1, 1))
    assert identity_of(tmp_path) != before


def test_a_closed_stream_is_not_passed(pool: Running) -> None:
    """The caller runs the command itself."""
    caller = call(pool.home, "0", redirection="0<&-")
    assert caller.communicate(timeout=60) == ("", "")
    assert caller.returncode == NOT_RUN


@pytest.mark.parametrize("place", ["home", "gone"])
def test_without_a_pool_nothing_is_run(tmp_path: Path, place: str) -> None:
    """The caller runs the command itself; a file in place of the socket changes nothing."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / SOCKET_NAME).touch()
    caller = call(tmp_path / place, "0", cwd=tmp_path)
    assert caller.communicate(timeout=60) == ("", "")
    assert caller.returncode == NOT_RUN
