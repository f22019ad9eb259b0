"""A PostgreSQL data directory and the server that runs on it."""

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
from coin_pipeline.database.embedded.user import ENVIRONMENT, cluster_account
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.storage.log_files import LogFile

USER = DATABASE = "coin"
# Below the ephemeral ports, which outgoing connections may occupy for a while.
PORTS = range(20_000, 30_000)
RECOVERY_S = 600  # time limit of crash recovery
# Fast shutdown, immediate shutdown and kill, each with its time limit in seconds.
STOP_SIGNALS = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
SETTINGS = (
    "listen_addresses=127.0.0.1",  # this machine only
    "unix_socket_directories=",  # the path of a socket is limited to 107 bytes; DATA_ROOT may be longer
    "cluster_name=coin",  # shown by ps
    "shared_buffers=64MB",  # the page cache of the operating system does the rest
    "max_connections=100",  # a dozen programs with connection pools
    "max_wal_size=256MB",  # limits disk usage and recovery time
    "max_logical_replication_workers=0",  # saves a process; nothing is replicated
    "jit=off",  # compiling costs more than short queries take
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",  # avoids a useless line every five minutes
)
SETTINGS_SINCE_18 = ("io_method=sync",)  # saves three reader processes; most reads hit memory


class Cluster:
    """A data directory and its server.

    The server and its children inherit a descriptor that holds `server.lock`, so the lock is free exactly when all of
    them have ended. A pid, which may be reused or belong to a zombie, or a pid file does not prove that.

    Args:
        home: Folder that contains the data directory, the locks, the logs and the password.
        binaries: Folder of the PostgreSQL server programs.
    """

    def __init__(self, home: Path, binaries: Path) -> None:
        self.home, self.data, self.log = home, home / "data", home / "server.log"
        self._binaries = binaries
        self._account = cluster_account(home, binaries)
        self._log_file = LogFile(self.log, files.LOG_LIMIT, files.open_private)
        self._probe = files.open_private(home / "server.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._log_start = 0

    def prepare(self) -> None:
        """Create the cluster if necessary, and adopt a server that is already running on it.

        Raises:
            DatabaseUnavailable: initdb failed, or the existing cluster cannot be used.
        """
        if not self.data.exists():
            self._initialise()
        for required in (self.data / "PG_VERSION", self.home / "password"):
            if not required.exists():
                raise DatabaseUnavailable(
                    self.home, f"{required.name} is missing; restore a backup to another DATA_ROOT"
                )
        self._pid = self._pid_from_file()

    def is_running(self) -> bool:
        """Return whether the server or any of its children is alive."""
        if self._process:
            self._process.poll()
        if not files.try_flock(self._probe, fcntl.LOCK_EX):
            return True
        fcntl.flock(self._probe, fcntl.LOCK_UN)
        return False

    def is_deleted(self) -> bool:
        """Return whether the cluster was deleted or replaced since this object was created."""
        try:
            same = os.path.samestat((self.home / "server.lock").stat(), os.fstat(self._probe))
        except FileNotFoundError:
            return True
        return not same or not (self.data / "PG_VERSION").exists()

    def start(self) -> None:
        """Start the server and wait until it accepts connections, ends, or its cluster is deleted."""
        self._drop_stale_pid_file()
        port = self._free_port()
        files.write_atomically(self.home / "port", f"{port}")
        self._log_start = files.log_size(self.log)
        newer = SETTINGS_SINCE_18 if int(self._account.major) >= 18 else ()  # noqa: PLR2004 -- as its name states
        settings = [part for setting in (*SETTINGS, *newer, f"port={port}") for part in ("-c", setting)]
        log = self._log_file.open_writer()
        with self._lock() as lock:
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
        files.wait_until(
            lambda: self._ready(process.pid) or process.poll() is not None or self.is_deleted(), RECOVERY_S
        )

    def bound_log(self) -> None:
        """Rotate the server's log if it is long; call this often."""
        self._log_file.keep_bounded()

    def recent_log(self) -> str:
        """Return the last lines that the server has logged since its start."""
        return files.tail(self.log, self._log_start)

    def stop(self) -> None:
        """Stop the server, with increasing force, and wait until all its processes have ended."""
        for signum, timeout_s in STOP_SIGNALS:
            self._pid = self._pid or self._pid_from_file()
            if self._pid and self.is_running():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signum)
            if files.wait_until(lambda: not self.is_running(), timeout_s):
                return

    def _initialise(self) -> None:
        """Create the cluster under a temporary name, removing the remains of a killed attempt, and rename it."""
        new_data, password = self.home / "data.new", self.home / "password"
        with self._lock() as lock:  # waits for an initdb whose supervisor was killed
            shutil.rmtree(new_data, ignore_errors=True)
            new_data.mkdir(mode=0o700)
            files.write_atomically(password, secrets.token_urlsafe(32))
            if os.geteuid() == 0:
                for path in (new_data, password):
                    os.chown(path, self._account.uid, self._account.gid)
            login = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}")
            text = ("--locale=C", "--encoding=UTF8", "--data-checksums", "--no-instructions")
            self._run(lock, "initdb", "-D", str(new_data), *login, *text)
            create = f"CREATE DATABASE {DATABASE}\n"
            self._run(
                lock, "postgres", "--single", "-D", str(new_data), "-c", "exit_on_error=on", "template1", stdin=create
            )
            new_data.rename(self.data)
        folder = os.open(self.home, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _run(self, lock: int, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            [*self._account.prefix, str(self._binaries / program), *arguments],
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=(lock,),
            check=False,
        )
        if done.returncode:
            reason = f"{program} exited with {done.returncode}: {done.stderr[-files.TAIL_BYTES :].strip()}"
            raise DatabaseUnavailable(self.home, reason)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[int]:
        """Hold the server's lock on a descriptor that a child inherits, whose copy then keeps the lock."""
        lock = files.open_private(self.home / "server.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def _pid_file_lines(self) -> list[str]:
        """Return the lines of the server's pid file, of which the first is its pid and the eighth its state."""
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _pid_from_file(self) -> int | None:
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _ready(self, pid: int) -> bool:
        lines = self._pid_file_lines()
        return self._pid_from_file() == pid and lines[7:] != [] and lines[7].strip() == "ready"

    def _drop_stale_pid_file(self) -> None:
        """Remove the pid file of a killed server; PostgreSQL would not start while another process has that pid."""
        pid = self._pid_from_file()
        with contextlib.suppress(OSError):  # no such process, or no /proc: PostgreSQL detects these itself
            if pid and os.fsencode(self.data) not in Path(f"/proc/{pid}/cmdline").read_bytes():
                (self.data / "postmaster.pid").unlink()

    def _free_port(self) -> int:
        """Return the previous port, which clients may know, or a free one if another program uses it."""
        previous = self.home / "port"
        port = int(previous.read_text()) if previous.exists() else secrets.choice(PORTS)
        while not _is_free(port):
            port = secrets.choice(PORTS)
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
