"""The supervisor process: keeps the packaged server running while there are leases, and stops it afterwards.

It logs only why it gave up, to standard error, which is supervisor.log in the home folder.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from coin_pipeline.database.embedded import files
from coin_pipeline.database.embedded.cluster import Cluster
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.storage.log_files import LogFile

INTERVAL_S = 0.1
MAX_FAILURES = 5
PAUSE_S = 1.0  # between starts after MAX_FAILURES in a row


def supervise(home: Path, binaries: Path) -> None:
    """Run the server of a home folder until there are no leases left, or until the folder is deleted.

    The supervisor then holds the lock of `users.lock` until it ends, so a new program waits and starts from scratch.

    Raises:
        DatabaseUnavailable: The cluster cannot be created or used, or its server repeatedly fails to start.
    """
    LogFile(home / "supervisor.log", files.LOG_LIMIT, files.open_private).keep_bounded()
    users = files.open_private(home / "users.lock")
    cluster = Cluster(home, binaries)
    try:
        cluster.prepare()
        _keep_running(cluster, users)
    finally:
        cluster.stop()


def _keep_running(cluster: Cluster, users: int) -> None:
    has_run, failures = False, 0
    while not cluster.is_deleted():
        if not cluster.is_running():
            cluster.start()
            failures = 0 if cluster.is_running() else failures + 1
        has_run = has_run or not failures  # a server that has run may return, for example after a full disk
        if failures == MAX_FAILURES and not has_run:
            raise DatabaseUnavailable(cluster.home, f"its server does not start: {cluster.recent_log()}")
        if files.try_flock(users, fcntl.LOCK_EX):
            return
        cluster.bound_log()
        time.sleep(INTERVAL_S if failures < MAX_FAILURES else PAUSE_S)


def _terminate(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the shutdown of the server
    sys.exit(0)


def main() -> None:
    """Run as `python -m coin_pipeline.database.embedded.supervisor HOME BINARIES`, with HOME/supervisor.lock held."""
    if os.fork():
        os._exit(0)  # detaches it from the program that started it
    os.chdir("/")
    signal.signal(signal.SIGTERM, _terminate)
    home, binaries = map(Path, sys.argv[1:])
    try:
        (home / "supervisor.lock").write_text(f"{os.getpid()}\n")
        supervise(home, binaries)
    except DatabaseUnavailable as error:
        sys.exit(error.reason)
    except OSError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
