"""Protocol of the worker pool: one line of JSON each way, over a Unix socket in Dagster's home."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coin_pipeline.orchestration.run_tags import is_bulk, owner_of

if TYPE_CHECKING:
    import dagster as dg  # takes seconds, which programs that only ask whether the pool responds need not wait

TIMEOUT_S = 2.0
SOCKET_NAME = "pool.sock"
Message = dict[str, Any]


def send_request(home: Path, timeout_s: float = TIMEOUT_S, /, **message: object) -> Message:
    """Send a request to the pool and return its response.

    Args:
        home: Directory of the socket.
        timeout_s: Time limit of each step of the exchange.
        message: One of `reserve=RUN_ID` with `owner`, `launch=RUN_ID` with `owner` and `bulk`, `cancel=RUN_ID`, or
            `runs=True`.

    Raises:
        OSError: No pool is there, or it does not respond in time.
    """
    with socket.socket(socket.AF_UNIX) as pool, socket_address(home) as name:
        pool.settimeout(timeout_s)
        pool.connect(name)
        pool.sendall(json.dumps(message).encode() + b"\n")
        line = pool.makefile("rb").readline()
    if not line:
        raise ConnectionResetError
    response: Message = json.loads(line)
    return response


def launch_request(run: "dg.DagsterRun") -> Message:
    """Return the request that hands a run to the pool."""
    return {"launch": run.run_id, "bulk": is_bulk(run), "owner": owner_of(run)}


def home_of(data_root: Path) -> Path:
    """Return the directory of the pool's socket and lock."""
    return data_root / "dagster"


@contextlib.contextmanager
def socket_address(home: Path) -> Iterator[str]:
    """Yield a short path to the socket: the real one may exceed the hundred bytes that an address may have."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        yield str((short if short.exists() else home) / SOCKET_NAME)
    finally:
        os.close(folder)
