"""How programs talk to the worker pool: one line of JSON each way, over a socket beside Dagster's home."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMEOUT_S = 2.0
KILL_GRACE_S = 1.0
"""How long a run that was told to end may take to do so."""
SOCKET_NAME = "pool.sock"
Message = dict[str, Any]


def send_request(home: Path, **message: object) -> Message:
    """Return what the pool answers.

    Raises:
        OSError: it is not there, or does not answer within a few seconds.
    """
    with socket.socket(socket.AF_UNIX) as pool, socket_address(home) as name:
        pool.settimeout(TIMEOUT_S)
        pool.connect(name)
        pool.sendall(json.dumps(message).encode() + b"\n")
        line = pool.makefile("rb").readline()
    if not line:
        raise ConnectionResetError
    answer: Message = json.loads(line)
    return answer


@contextlib.contextmanager
def socket_address(home: Path) -> Iterator[str]:
    """Give the socket's name; a path may be longer than the hundred bytes that a socket's name can have."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        yield str((short if short.exists() else home) / SOCKET_NAME)
    finally:
        os.close(folder)
