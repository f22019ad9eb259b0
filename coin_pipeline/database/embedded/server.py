"""Client interface of the embedded PostgreSQL server: a lease and a URL."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from coin_pipeline.database.embedded import files
from coin_pipeline.database.embedded.cluster import DATABASE, USER
from coin_pipeline.database.embedded.programs import server_programs
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import inherited_environment

START_TIMEOUT_S = 30.0
MAX_SUPERVISOR_STARTS = 3  # supervisors started for one lease that may end without a message


class ServerLease:
    """A lease that keeps the server running until it is closed or its process and all forks of it have ended.

    Attributes:
        url: `postgresql://USER:PASSWORD@127.0.0.1:PORT/DATABASE`.
    """

    def __init__(self, url: str, users: int) -> None:
        self.url = url
        self._users: int | None = users

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the lease; the server stops after the last one. Closing twice has no effect."""
        users, self._users = self._users, None
        if users is not None:
            os.close(users)


class EarlyStart:
    """A server that may still be starting; it stops when this is closed, unless a lease has been taken.

    Args:
        users: Descriptor that holds `users.lock`.
        supervisor: Program that starts the supervisor; None if another program has started it.
    """

    def __init__(self, users: int, supervisor: subprocess.Popen[bytes] | None) -> None:
        self._users = users
        self._supervisor = supervisor

    def close(self) -> None:
        """Leave the server to the leases."""
        os.close(self._users)
        if self._supervisor:
            self._supervisor.wait()


class EmbeddedPostgres:
    """The server of one cluster directory, shared by all programs that hold a lease on it.

    A lease is a shared lock on `users.lock`, which the kernel releases however its holder ends. A single supervisor,
    guarded by `supervisor.lock`, starts the server, restarts it when it dies, and stops it after the last lease.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._last_error = "no connection attempt yet"

    def lease(self) -> ServerLease:
        """Start the server if necessary, and wait up to about 30 seconds until it accepts connections.

        Raises:
            DatabaseUnavailable: The server cannot be started, not by this OS user, or it does not respond.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            self._home.mkdir(mode=0o711, parents=True, exist_ok=True)  # the server's OS user must be able to enter it
            with self._locked("start.lock", fcntl.LOCK_EX, deadline):
                users = self._lock("users.lock", fcntl.LOCK_SH, deadline)  # waits while the server is being stopped
                try:
                    return ServerLease(self._url_when_ready(deadline), users)
                except BaseException:
                    os.close(users)
                    raise
        except OSError as error:
            reason = f"this program runs as user id {os.geteuid()} and cannot use it: {error}"
            raise DatabaseUnavailable(self._home, reason) from error

    def start_early(self) -> EarlyStart | None:
        """Start the server of an existing cluster without waiting for it, and without an error: `lease` raises it.

        Returns:
            What is to be closed once there is a lease; None without a cluster, or while its server is being stopped.
        """
        if not (self._home / "data").exists():
            return None
        try:
            users = files.try_lock(self._home / "users.lock", fcntl.LOCK_SH)
        except OSError:
            return None
        if users is None:
            return None
        supervisor = None
        with contextlib.suppress(OSError, DatabaseUnavailable):
            if (lock := files.try_lock(self._home / "supervisor.lock")) is not None:
                try:
                    supervisor = self._spawn_supervisor(lock)
                finally:
                    os.close(lock)
        return EarlyStart(users, supervisor)

    def running_url(self) -> str | None:
        """Return the URL of the server if it runs and responds; it is not started, and may stop at any time."""
        return self._responding_url()

    def wait_until_stopped(self, seconds: float) -> bool:
        """Wait until the server has stopped after its last lease; return whether it did within `seconds`."""

        def unsupervised() -> bool:
            lock = files.try_lock(self._home / "supervisor.lock")
            if lock is not None:
                os.close(lock)
            return lock is not None

        return files.wait_until(unsupervised, seconds)

    def _lock(self, name: str, operation: int, deadline: float) -> int:
        while (fd := files.try_lock(self._home / name, operation)) is None:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(self._home, f"another program has held {name} for {START_TIMEOUT_S:.0f} s")
            time.sleep(0.02)
        return fd

    @contextlib.contextmanager
    def _locked(self, name: str, operation: int, deadline: float) -> Iterator[None]:
        fd = self._lock(name, operation, deadline)
        try:
            yield
        finally:
            os.close(fd)

    def _url_when_ready(self, deadline: float) -> str:
        """Return the URL once a supervisor is running and its server responds."""
        log_start = files.log_size(self._home / "supervisor.log")
        starts = 0
        while time.monotonic() < deadline:
            lock = files.try_lock(self._home / "supervisor.lock")
            if lock is None and (url := self._responding_url()):
                return url
            if lock is not None:
                try:
                    self._supervise(lock, log_start, starts)
                finally:
                    os.close(lock)
                starts += 1
            time.sleep(0.02)
        server_log = files.tail(self._home / "server.log")
        raise DatabaseUnavailable(
            self._home, f"no response within {START_TIMEOUT_S:.0f} s: {self._last_error}\n{server_log}"
        )

    def _responding_url(self) -> str | None:
        """Return the URL of the server if it responds and authenticates with the cluster's password, else None."""
        try:
            port, password = ((self._home / name).read_text() for name in ("port", "password"))
            url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
            with contextlib.closing(psycopg2.connect(url, connect_timeout=2)) as connection:
                connection.cursor().execute("select 1")
                return url if connection.info.used_password else None
        except (FileNotFoundError, psycopg2.Error) as error:
            self._last_error = f"{error}".strip()
            return None

    def _supervise(self, lock: int, log_start: int, starts: int) -> None:
        """Start a supervisor that inherits its lock, unless one has failed since the log had `log_start` bytes."""
        log = self._home / "supervisor.log"
        message = files.tail(log, log_start)
        if message or starts == MAX_SUPERVISOR_STARTS:
            free = shutil.disk_usage(self._home).free >> 20  # a supervisor cannot log on a full disk
            raise DatabaseUnavailable(
                self._home, message or f"its supervisor ended without a message; {free} MiB of disk space are free"
            )
        self._spawn_supervisor(lock).wait()

    def _spawn_supervisor(self, lock: int) -> subprocess.Popen[bytes]:
        """Start a program that becomes the supervisor, which inherits its lock, and ends."""
        programs = server_programs(self._home)
        command = ["-P", "-m", "coin_pipeline.database.embedded.supervisor", str(self._home), str(programs)]
        search_path = os.pathsep.join(map(os.path.abspath, sys.path))
        log = self._home / "supervisor.log"
        with os.fdopen(files.open_private(log, os.O_WRONLY | os.O_APPEND), "ab") as output:
            return subprocess.Popen(  # noqa: S603 - fixed programs, no shell
                [sys.executable, *command],
                env=inherited_environment({"PYTHONPATH": search_path}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,
            )
