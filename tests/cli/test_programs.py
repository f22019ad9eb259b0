"""Programs that are forks of a process with loaded code: what they get, what they do not, and how they end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.programs import is_alive, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")
PARENT = """
import os, sys, time
from coin_pipeline.cli.programs import fork_program
lock = open("lock", "w")  # stands for the locks of `coin up`
log = os.open("log", os.O_WRONLY | os.O_CREAT)
program = fork_program("api", ["program", "one", "two"], {"ONLY": "this"}, log)
"""
PROGRAM = """
import json, os, signal, sys, time
def main():
    print(json.dumps({
        "arguments": sys.argv[1:], "environment": dict(os.environ), "session": os.getsid(0) == os.getpid(),
        "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in range(100) if os.path.exists(f"/proc/self/fd/{fd}")],
        "name": open("/proc/self/comm").read().strip(),
        "handlers": [signal.getsignal(number) is not None and signal.getsignal(number) == default
                     for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, 0))],
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    }))
    END
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of the parents; they find `program` in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start_parent(end: str, rest: str) -> subprocess.Popen[str]:
    """Start a process that forks a program which ends with the statement `end`, and then executes `rest`."""
    Path("program.py").write_text(PROGRAM.replace("END", end))
    return subprocess.Popen(
        [sys.executable, "-c", PARENT + rest],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
    )


def output_of(parent: subprocess.Popen[str]) -> str:
    """Return the output of a parent once it has ended."""
    return parent.communicate(timeout=60)[0]


def test_a_fork_gets_what_a_new_process_gets(folder: Path) -> None:
    """Its arguments, environment, session, log, name and signal handlers are its own; no file is the parent's."""
    assert output_of(start_parent("raise SystemExit(7)", "print(program.wait(30))")) == "7\n"
    reported = json.loads((folder / "log").read_text())
    assert reported == {
        "arguments": ["one", "two"],
        "environment": {"ONLY": "this"},
        "session": True,
        "files": ["/dev/null", *[str(folder / "log")] * 2],
        "name": "api",
        "handlers": [True, True],
        "blocked": [],
    }


@pytest.mark.parametrize(
    ("end", "code", "logged"),
    [
        ("return", "0", ""),
        ("raise ValueError('broken')", "1", "ValueError: broken"),
        ("sys.exit('cannot work')", "1", "cannot work"),
        ("os.kill(os.getpid(), 9)", "-9", ""),
    ],
)
def test_the_end_of_a_fork_is_reported(folder: Path, end: str, code: str, logged: str) -> None:
    """Its exit code reaches the parent, whose own code does not run in it; the reason is in the log."""
    parent = start_parent(end, "print(program.wait(30))")
    assert output_of(parent) == f"{code}\n"
    assert logged in (folder / "log").read_text()


@pytest.mark.usefixtures("folder")
def test_waiting_for_a_running_fork_times_out() -> None:
    """As it does for a process of `subprocess`."""
    rest = """
import subprocess
try:
    program.wait(0.05)
except subprocess.TimeoutExpired:
    print(program.poll())
os.kill(program.pid, 15)
print(program.wait())
"""
    assert output_of(start_parent("time.sleep(60)", rest)) == "None\n-15\n"


@pytest.mark.usefixtures("folder")
def test_a_fork_ends_with_its_parent() -> None:
    """Also if the parent is killed."""
    parent = start_parent("time.sleep(60)", "print(program.pid, flush=True); time.sleep(60)")
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_alive(pid))


def test_preloading_starts_no_thread() -> None:
    """Threads do not survive a fork; the one of PyArrow's allocator restarts in the fork."""
    code = """
import threading
from pathlib import Path
from coin_pipeline.cli.programs import PRELOADED, preload
for program in PRELOADED:
    preload(program)
print(threading.enumerate())
print({path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")})
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    threads, names = done.stdout.splitlines()
    assert threads.count("<") == 1
    native = {name for name in names.strip("{}").replace("'", "").split(", ") if not name.startswith("jemalloc")}
    assert len(native) == 1, native
