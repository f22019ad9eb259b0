"""Which runs have a process: each holds a file lock while it lives, which the kernel drops however it ends.

The lock is shared by the processes of a run whose steps have one each.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from coin_pipeline.backtest.results import check_run_id
from coin_pipeline.defs.failures import INTERRUPTED
from coin_pipeline.settings import load_settings

CANCELING = dg.DagsterEventType.RUN_CANCELING
_held: list[int] = []


@dg.resource(description="The sign of life of a run's process.")
def alive(context: dg.InitResourceContext) -> Iterator[None]:
    """Hold the run's lock until the process ends, and its file until the last op has ended."""
    if context.run is None or context.instance is None:
        yield  # somebody looks at a resource outside any run
        return
    # A run that is cancelled at the moment at which it leaves the queue is started all the same.
    if context.instance.get_records_for_run(context.run.run_id, of_type=CANCELING, limit=1).records:
        raise dg.Failure(INTERRUPTED, allow_retries=False)
    path = _sign(context.run.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _hold(path)
    # Never closed: between its last op and its last event a run is alive too.
    _held.append(descriptor)
    yield
    if not _others_hold(descriptor):
        path.unlink(missing_ok=True)


def has_sign(run_id: str) -> bool:
    """Tell whether the run's process has begun its ops and not ended them."""
    return _sign(run_id).exists()


def process_ended(run_id: str) -> bool:
    """Tell whether the run's process ended while its ops were under way; False also where it left no sign."""
    try:
        descriptor = os.open(_sign(run_id), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def forget(run_id: str) -> None:
    """Remove the sign of a run that has been answered for."""
    _sign(run_id).unlink(missing_ok=True)


def _hold(path: Path) -> int:
    """Lock the file that lies there now: one of its other processes may remove it after we opened it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _others_hold(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # a failed exchange may have lost it
        return True
    return False


def _sign(run_id: str) -> Path:
    return load_settings().data_root / "dagster" / "alive" / check_run_id(run_id)
