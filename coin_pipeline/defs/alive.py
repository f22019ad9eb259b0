"""Which runs have a process: each holds a file lock while it lives, which the kernel drops however it ends."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from coin_pipeline.backtest.results import check_run_id
from coin_pipeline.settings import load_settings

_held: list[int] = []


@dg.resource(description="The sign of life of a run's process.")
def alive(context: dg.InitResourceContext) -> Iterator[None]:
    """Hold the run's lock until the process ends, and its file until the last op has ended."""
    if context.run is None:
        yield  # somebody looks at a resource outside any run
        return
    path = _sign(context.run.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    # Never closed: between its last op and its last event a run is alive too.
    _held.append(descriptor)
    yield
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


def _sign(run_id: str) -> Path:
    return load_settings().data_root / "dagster" / "alive" / check_run_id(run_id)
