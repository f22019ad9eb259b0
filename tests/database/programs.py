"""Real programs that hold leases, and what can be seen of them from outside."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2

from coin_pipeline.database.embedded import files

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import os, sys
from pathlib import Path
{first}
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.errors import DatabaseUnavailable
try:
    lease = EmbeddedPostgres(Path(sys.argv[1])).lease()
except DatabaseUnavailable as error:
    sys.exit(f"refused: {error}")
print(lease.url, flush=True)
{then}
sys.stdin.read()
"""


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a condition, and fail when it has not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s: {condition}"
        time.sleep(0.02)


class Program:
    """A program that takes a lease, prints its URL, and holds it until it is told to leave or killed."""

    def __init__(
        self, home: Path, step: Sequence[str] = (), first: str = "", then: str = "", **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [*step, sys.executable, "-c", HOLDER.replace("{first}", first).replace("{then}", then), str(home)],
            cwd=ROOT,
            # Another account could not write its coverage beside ours.
            env={k: v for k, v in {**os.environ, **environment}.items() if not (step and k.startswith("COVERAGE_"))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """Return the URL of the lease once it is held."""
        assert self.process.stdout
        url = self.process.stdout.readline().strip()
        assert url, self.refusal()
        return url

    def refusal(self) -> str:
        """Return what a program that got no lease said."""
        return self.process.communicate()[1].strip()

    def leave(self) -> None:
        """Let the program end in an orderly way."""
        self.process.communicate()

    def kill(self) -> None:
        """End the program without any chance to clean up."""
        self.process.kill()
        self.process.communicate()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement, commit, and return its rows."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def answers(url: str) -> bool:
    """Return whether a server accepts this URL now."""
    try:
        return query(url, "select 1") == [(1,)]
    except (psycopg2.OperationalError, psycopg2.InterfaceError):  # the latter if it went away in the middle
        return False


def server_pid(home: Path) -> int:
    """Return the pid of the running server."""
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def supervisor_pid(home: Path) -> int:
    """Return the pid of the running supervisor."""
    return int((home / "supervisor.lock").read_text())


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and waits to be collected does not."""
    return _shown("stat", pid)[:1] not in {"", "Z"}


def account(pid: int) -> int:
    """Return the user id that a process runs as."""
    return int(_shown("uid", pid))


def _shown(column: str, pid: int) -> str:
    """Return what ps shows of a process, nothing when there is none; both Linux and macOS have it there."""
    command = ["/bin/ps", "-o", f"{column}=", "-p", f"{pid}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


def stopped(home: Path) -> bool:
    """Return whether neither a supervisor nor a server, nor anything a server forked, is left."""
    for name in ("supervisor.lock", "server.lock"):
        lock = files.try_lock(home / name, fcntl.LOCK_SH)
        if lock is None:
            return False
        os.close(lock)
    return True
