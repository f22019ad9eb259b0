"""The program that forks parser processes: started once, in the background, because it loads for most of a second."""

import atexit
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache

from coin_pipeline.settings import inherited_environment

_PROGRAM = "coin_pipeline.candles.imports.parser"
# One pool of memory that frees at once and reserves nothing, so that the limit counts what is used.
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    "OPENBLAS_NUM_THREADS": "1",
}


class ParserServer:
    """The server process; it starts with the first request or with `start`, and again if it was killed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def start(self) -> None:
        """Start the process unless it runs; returns while it loads."""
        with self._lock:
            self._started()

    def send(self, descriptors: Sequence[int]) -> None:
        """Hand over descriptors: the requester's socket, the exchange file and the file to read."""
        with self._lock:
            try:
                socket.send_fds(self._started(), [b"\n"], descriptors)
            except BrokenPipeError:  # it was killed
                self._stop()
                socket.send_fds(self._started(), [b"\n"], descriptors)

    def close(self) -> None:
        """End the process, and the parsers that it forked."""
        with self._lock:
            self._stop()

    def _started(self) -> socket.socket:
        if self._line is None:
            self._line, other = socket.socketpair()
            with other:
                self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, and a module of this package
                    [sys.executable, "-P", "-m", _PROGRAM, str(other.fileno())],
                    pass_fds=[other.fileno()],
                    stdin=subprocess.DEVNULL,
                    env=inherited_environment(_ENVIRONMENT),
                    start_new_session=True,  # a Ctrl-C is for the process that started it
                )
        return self._line

    def _stop(self) -> None:
        if self._line and self._process:
            self._line.close()
            self._process.wait()
        self._line = self._process = None


@cache
def shared_server() -> ParserServer:
    """Return the server of this process, which ends with it."""
    server = ParserServer()
    atexit.register(server.close)
    return server
