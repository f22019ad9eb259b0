"""A worker process: forked with everything loaded, it waits for one run, executes it and ends."""

import os
import signal
import socket
import sys
from typing import NoReturn

import dagster as dg

from coin_pipeline import logs
from coin_pipeline.orchestration._dagster_internals import (
    capture_interrupts,
    execute_run_function,
    setup_interrupt_handlers,
)
from coin_pipeline.orchestration.memory_limit import limit_memory
from coin_pipeline.orchestration.storage import engine_of
from coin_pipeline.parent_death import end_with_parent
from coin_pipeline.retry import tolerate_outages

READY = b"ready\n"
EXIT_UNFINISHED = 3
"""Exit code of a worker whose run has no recorded end."""
NICENESS, BULK_NICENESS = 10, 15
"""API requests have priority over runs, and interactive runs over bulk runs."""
_execute = execute_run_function()  # imported before the fork


def run_worker(instance: dg.DagsterInstance, pool: int, line: socket.socket) -> NoReturn:
    """Execute one run in this forked process, then exit.

    Args:
        instance: The instance that the pool opened before the fork.
        pool: Process id of the pool.
        line: Socket over which the run id arrives.
    """
    start_worker(instance, pool)
    instance.get_runs(limit=1)  # connects now, before a run arrives
    line.sendall(READY)
    run_id, _, bulk = line.makefile().readline().strip().partition(" ")
    os.nice(BULK_NICENESS if bulk == "1" else NICENESS)
    with tolerate_outages():
        os._exit(execute_run(instance, run_id) if run_id else 0)


def start_worker(instance: dg.DagsterInstance, pool: int) -> None:
    """Separate this fork from the pool: its process group, its signal handlers and its connections."""
    end_with_parent(pool)  # so that no worker runs unsupervised
    os.setpgid(0, 0)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    discard_inherited_connections(instance)


def execute_run(instance: dg.DagsterInstance, run_id: str) -> int:
    """Execute a run unless it has already started; return the exit code of the process."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status != dg.DagsterRunStatus.STARTING:
        return 0  # cancelled before it started, or handed over twice
    logs.identify_process(run_id=run_id, task_id=run.root_run_id or run_id)
    limit_memory()
    setup_interrupt_handlers()
    with capture_interrupts():
        _execute(run_id, instance, lambda _: None, set_exit_code_on_failure=False)
    ended = instance.get_run_by_id(run_id)
    sys.stdout.flush()
    sys.stderr.flush()
    return 0 if ended is None or ended.is_finished else EXIT_UNFINISHED


def discard_inherited_connections(instance: dg.DagsterInstance) -> None:
    """Discard the connections that were open at the fork: they belong to the parent."""
    engine_of(instance).dispose(close=False)
