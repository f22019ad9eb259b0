"""Run as `python -m coin_pipeline.orchestration.worker_pool`: loads everything once, then serves."""

import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import dagster as dg

from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable, ServiceUnavailable
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.launcher import pool_home
from coin_pipeline.orchestration.retries import finalize_orphan
from coin_pipeline.orchestration.run_tags import LOCAL_TAG
from coin_pipeline.orchestration.storage import engine_of, warm_caches
from coin_pipeline.orchestration.worker_pool.server import Pool, PoolLimits
from coin_pipeline.orchestration.worker_pool.warm_up import warm_up
from coin_pipeline.orchestration.worker_pool.worker import discard_inherited_connections, run_worker
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.open_store import open_store

LOCK_NAME, LOCK_TIMEOUT_S = "pool.lock", 30.0
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
FINALIZE_ATTEMPTS = 5
_log = logging.getLogger("coin.pool")


def main() -> None:
    """Load, lock, serve."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = load_settings()
    home = pool_home()
    # Dagster replaces handlers while a job runs, so a signal waits until ours are in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with open_instance(settings) as instance, single_instance(home):
        finalize_orphans(instance, settings)
        warm_up()
        warm_caches(instance)
        engine_of(instance).dispose()  # no connection is shared across a fork
        if threading.active_count() > 1:
            raise ServiceUnavailable(f"threads are left, which no worker would have: {threading.enumerate()}")
        gc.collect()
        gc.freeze()  # what is loaded now stays shared between the processes
        stop: list[int] = []
        for signum in STOP_SIGNALS:
            signal.signal(signum, lambda number, _: stop.append(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        limits = PoolLimits(settings.coin_workers, 1, settings.coin_pool_room)
        pool = Pool(limits, lambda line: _fork_worker(instance, line), lambda run_id: _fork_settler(instance, run_id))
        _log.info("ready: %s", limits)
        pool.serve(home, lambda: bool(stop))


@contextlib.contextmanager
def single_instance(home: Path) -> Iterator[None]:
    """Be the only pool of this DATA_ROOT; one that was killed has workers that the kernel is ending."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with (home / LOCK_NAME).open("a+") as lock:
        while not _take(lock):
            _end_session(lock)
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"another worker pool serves {home}")
            time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _take(lock: IO[str]) -> bool:
    """Take the lock, which forked workers share: it is free once the last of them has ended."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_session(lock: IO[str]) -> None:
    """Kill what a pool that is gone has left: processes that its runs had started."""
    lock.seek(0)
    pool = int(lock.read() or 0)
    if pool and not Path(f"/proc/{pool}").exists():
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(int(process.name)) == pool:
                    os.kill(int(process.name), signal.SIGKILL)


def finalize_orphans(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Record how runs ended whose process has died, with a pool before this one most likely."""
    under_way = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    # Those of commands may have several processes, of which the last to renew the lease may have ended in good order.
    runs = [run.run_id for run in instance.get_runs(under_way) if LOCAL_TAG not in run.tags]
    with contextlib.closing(Session(database_url(settings))) as session:
        for run_id, lease in Leases(session).fetch(runs).items():
            if lease.process_ended and not finalize_orphan(
                instance, open_store(settings), ResultIndex(session), run_id, lease
            ):
                _log.warning("the object store cannot say yet how %s ended", run_id)  # the sensor lost_runs asks on


def _fork_worker(instance: dg.DagsterInstance, line: socket.socket) -> int:
    pool = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        run_worker(instance, pool, line)
    finally:
        _leave()


def _fork_settler(instance: dg.DagsterInstance, run_id: str) -> None:
    """Record the end of a run in a process of its own: the database may be slow, and the pool never waits."""
    if os.fork():
        return
    try:
        discard_inherited_connections(instance)
        _settle(instance, load_settings(), run_id)
    finally:
        _leave()


def _settle(instance: dg.DagsterInstance, settings: Settings, run_id: str) -> None:
    for _ in range(FINALIZE_ATTEMPTS):
        try:
            with contextlib.closing(Session(database_url(settings))) as session:
                lease = Leases(session).fetch([run_id]).get(run_id)
                if finalize_orphan(instance, open_store(settings), ResultIndex(session), run_id, lease):
                    return
        except DatabaseUnavailable as error:
            _log.warning("cannot settle %s: %s", run_id, error)
        time.sleep(1)  # in the end the sensor lost_runs does it


def _leave() -> NoReturn:
    """End a forked process without the clean-up of what the pool still uses."""
    if error := sys.exception():
        _log.error("%s", error, exc_info=error)
    os._exit(1)


if __name__ == "__main__":
    main()
