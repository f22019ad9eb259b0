"""Programs that hold leases, and helpers to observe their processes from outside."""

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


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a condition; fail if it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true within {seconds} s: {condition}"
        time.sleep(0.02)


class Program:
    """A program that takes a lease, prints its URL, and holds the lease until it is stopped or killed."""

    def __init__(
        self, home: Path, switch_user: Sequence[str] = (), first: str = "", then: str = "", **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [*switch_user, sys.executable, "-c", HOLDER.replace("{first}", first).replace("{then}", then), str(home)],
            cwd=ROOT,
            # Another user could not write its coverage next to this one's.
            env={
                k: v
                for k, v in {**os.environ, **environment}.items()
                if not (switch_user and k.startswith("COVERAGE_"))
            },
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
        """Return the error message of a program that got no lease."""
        return self.process.communicate()[1].strip()

    def stop(self) -> None:
        """Let the program end normally."""
        self.process.communicate()

    def kill(self) -> None:
        """Kill the program without any cleanup."""
        self.process.kill()
        self.process.communicate()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement, commit, and return its rows."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def responds(url: str) -> bool:
    """Return whether a server accepts this URL."""
    try:
        return query(url, "select 1") == [(1,)]
    except (psycopg2.OperationalError, psycopg2.InterfaceError):  # the latter if the connection was lost in between
        return False


def server_pid(home: Path) -> int:
    """Return the pid of the running server."""
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def supervisor_pid(home: Path) -> int:
    """Return the pid of the running supervisor."""
    return int((home / "supervisor.lock").read_text())


def is_alive(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    return _ps("stat", pid)[:1] not in {"", "Z"}


def user_id(pid: int) -> int:
    """Return the user id of a process."""
    return int(_ps("uid", pid))


def _ps(column: str, pid: int) -> str:
    """Return a column of ps for a process, or an empty string if there is none, on Linux and macOS."""
    command = ["/bin/ps", "-o", f"{column}=", "-p", f"{pid}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def kill(pid: int) -> None:
    """Kill a process."""
    os.kill(pid, signal.SIGKILL)


def is_stopped(home: Path) -> bool:
    """Return whether no supervisor, server or child of a server is left."""
    for name in ("supervisor.lock", "server.lock"):
        lock = files.try_lock(home / name, fcntl.LOCK_SH)
        if lock is None:
            return False
        os.close(lock)
    return True
