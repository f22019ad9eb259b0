"""Entry point of the worker pool: `python -m coin_pipeline.orchestration.worker_pool` loads everything, then serves."""

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import dagster as dg

from coin_pipeline import logs
from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable, ServiceUnavailable
from coin_pipeline.orchestration._dagster_internals import keep_log_handlers
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.job_names import MONITORED_JOBS
from coin_pipeline.orchestration.retries import finalize_orphan
from coin_pipeline.orchestration.run_tags import LOCAL_TAG, is_cold_launched
from coin_pipeline.orchestration.storage import engine_of, warm_caches
from coin_pipeline.orchestration.worker_pool.commands import IDENTITY, run_command
from coin_pipeline.orchestration.worker_pool.lock import pool_home, record_alive, single_instance
from coin_pipeline.orchestration.worker_pool.protocol import launch_request
from coin_pipeline.orchestration.worker_pool.server import Pool
from coin_pipeline.orchestration.worker_pool.sharing import PoolLimits
from coin_pipeline.orchestration.worker_pool.warm_up import warm_up
from coin_pipeline.orchestration.worker_pool.worker import discard_inherited_connections, run_worker, start_worker
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.file_lock import FileLock
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.strategies.entry_points import installed_strategies

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
FINALIZE_ATTEMPTS = 5
_log = logging.getLogger("coin.pool")


def main() -> None:
    """Take the lock, load everything, and serve until SIGTERM or SIGINT; the second one does not wait for runs."""
    settings = load_settings()
    logs.configure(settings, "pool")
    keep_log_handlers()
    home = pool_home()
    # Dagster replaces signal handlers while a job runs, so signals are blocked until the pool has installed its own.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with open_instance(settings) as instance, single_instance(home) as lock:
        finalize_orphans(instance, settings)
        warm_up()
        warm_caches(instance)
        engine_of(instance).dispose()  # no connection is shared across a fork
        if threading.active_count() > 1:
            raise ServiceUnavailable(f"these threads would be missing in forked workers: {threading.enumerate()}")
        gc.collect()
        gc.freeze()  # keeps what is loaded now shared between the processes
        stop: list[int] = []
        for signum in STOP_SIGNALS:
            signal.signal(signum, lambda number, _: stop.append(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        limits = PoolLimits(settings.coin_workers, 1, settings.coin_pool_room)
        pool = Pool(
            limits,
            lambda line: _fork_worker(instance, line),
            lambda run_id: _fork_finalizer(instance, run_id),
            lambda caller, files: _fork_command(instance, caller, files),
            None if installed_strategies() else IDENTITY,  # whose files may be edited without a trace
        )
        _log.info("ready: %s", limits)
        adopt_stranded(instance, pool)
        pool.serve(home, lambda: _stop_signals(home, lock, stop), _drain_seconds())


def _drain_seconds() -> float:
    parser = ArgumentParser(prog="python -m coin_pipeline.orchestration.worker_pool", description=__doc__)
    parser.add_argument("--drain-seconds", type=float, default=0, help="longest wait for executing runs on SIGTERM")
    return float(parser.parse_args().drain_seconds)


def adopt_stranded(instance: dg.DagsterInstance, pool: Pool) -> None:
    """Take the runs that the pool before this one had not started, without waiting for the monitor."""
    starting = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING]), ascending=True)
    for run in starting:
        if run.job_name in MONITORED_JOBS and not is_cold_launched(run):
            pool.handle(launch_request(run))


def finalize_orphans(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Record the end of runs whose process is gone, usually with the pool before this one."""
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    # A command's run may have several processes; the one that renewed the lease last may have ended normally.
    run_ids = [run.run_id for run in instance.get_runs(unfinished) if LOCAL_TAG not in run.tags]
    with contextlib.closing(Session(database_url(settings))) as session:
        index = ResultIndex(session)
        for run_id, lease in Leases(session).fetch(run_ids).items():
            if lease.process_ended and not finalize_orphan(instance, open_store(settings), index, run_id, lease):
                _log.warning("cannot decide how %s ended without the object store; the daemon retries", run_id)


def _stop_signals(home: Path, lock: FileLock, received: list[int]) -> int:
    record_alive(home, lock)
    return len(received)


def _fork_worker(instance: dg.DagsterInstance, line: socket.socket) -> int:
    pool = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        run_worker(instance, pool, line)
    finally:
        _exit_fork()


def _fork_command(instance: dg.DagsterInstance, caller: socket.socket, files: Sequence[int]) -> int:
    pool = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        start_worker(instance, pool)
        run_command(caller, files)
    finally:
        _exit_fork()


def _fork_finalizer(instance: dg.DagsterInstance, run_id: str) -> None:
    """Record the end of a run in a process of its own: the database may be slow, and the pool must not block."""
    if os.fork():
        return
    try:
        discard_inherited_connections(instance)
        _finalize(instance, load_settings(), run_id)
    finally:
        _exit_fork()


def _finalize(instance: dg.DagsterInstance, settings: Settings, run_id: str) -> None:
    for _ in range(FINALIZE_ATTEMPTS):
        try:
            with contextlib.closing(Session(database_url(settings))) as session:
                lease = Leases(session).fetch([run_id]).get(run_id)
                if finalize_orphan(instance, open_store(settings), ResultIndex(session), run_id, lease):
                    return
        except DatabaseUnavailable as error:
            _log.warning("cannot record the end of %s: %s", run_id, error)
        time.sleep(1)  # after the last attempt the daemon's monitor does it


def _exit_fork() -> NoReturn:
    """End a forked process without cleaning up what the pool still uses."""
    if error := sys.exception():
        _log.error("%s", error, exc_info=error)
    os._exit(1)


if __name__ == "__main__":
    main()
