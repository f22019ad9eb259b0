"""The program that keeps the packaged server running while somebody uses it, and stops it afterwards.

It is quiet; what it says before it gives up goes to its standard error, the home's supervisor.log.
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

INTERVAL = 0.1
ATTEMPTS = 5
PAUSE = 1.0  # between two starts after so many have failed in a row


def supervise(home: Path, binaries: Path) -> None:
    """Run the server of a home until nobody holds a lease on it any more, or until it is deleted.

    From then on it keeps the lock of `users.lock` until it has ended, so a newcomer waits and finds nothing left.

    Raises:
        DatabaseUnavailable: the cluster cannot be made or used, or its server fails to start several times in a row.
    """
    users = files.open_private(home / "users.lock")
    cluster = Cluster(home, binaries)
    try:
        cluster.prepare()
        _keep_running(cluster, users)
    finally:
        cluster.stop()


def _keep_running(cluster: Cluster, users: int) -> None:
    ran, failures = False, 0
    while not cluster.gone():
        if not cluster.running():
            cluster.start()
            failures = 0 if cluster.running() else failures + 1
        ran = ran or not failures  # it can run: after a full disk it must come back for those who hold leases
        if failures == ATTEMPTS and not ran:
            raise DatabaseUnavailable(cluster.home, f"its server does not start: {cluster.complaint()}")
        if files.take(users, fcntl.LOCK_EX):
            return
        for log in (cluster.log, cluster.home / "supervisor.log"):
            files.bound(log)
        time.sleep(INTERVAL if failures < ATTEMPTS else PAUSE)


def _terminate(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the stop of the server
    sys.exit(0)


def main() -> None:
    """Run as `python -m coin_pipeline.database.embedded.supervisor HOME BINARIES`, HOME/supervisor.lock being held."""
    if os.fork():
        os._exit(0)  # whoever started it neither waits for it nor has to collect it when it ends
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
