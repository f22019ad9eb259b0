"""The server of the parser processes: it has everything loaded, and forks one process for each file.

Its only thread waits; libraries start theirs in the forked processes. It ends when the process that started it does.
"""

import contextlib
import gc
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import BinaryIO, NoReturn

import pyarrow.csv  # before the fork, like all that a file may need
import pyarrow.feather  # noqa: F401 -- the same

from coin_pipeline.candles.imports.parser import transfer
from coin_pipeline.candles.imports.prepare import prepare_file
from coin_pipeline.errors import CoinError
from coin_pipeline.parent_death import end_with_parent


class Server:
    """Forks a parser for each request and reports how it ended.

    Args:
        line: Each byte that arrives brings three descriptors: the requester's socket, the exchange file with the
            request, and the file to read.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Serve requests until the line is closed."""
        self._selector.register(self._line, selectors.EVENT_READ, self._accept)
        while self._line.fileno() >= 0:
            for key, _ in self._selector.select():
                key.data()

    def _accept(self) -> None:
        message, descriptors, *_ = socket.recv_fds(self._line, 1, 3)
        if not message:
            sys.exit()  # Linux kills the parsers with this process
        requester, exchange, content = socket.socket(fileno=descriptors[0]), *descriptors[1:]
        ended, alive = os.pipe()  # its other end is closed when the parser ends, however it ends
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with_parent(server)
            self._line.close()
            run_parser(exchange, content)
        for descriptor in (alive, exchange, content):
            os.close(descriptor)
        self._selector.register(requester, selectors.EVENT_READ, lambda: self._kill(pid, requester))
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._report(pid, requester, ended))

    def _kill(self, pid: int, requester: socket.socket) -> None:
        """Kill a parser whose requester has closed its socket, unless its end was reported a moment ago."""
        if requester.fileno() < 0:
            return
        self._selector.unregister(requester)
        os.kill(pid, signal.SIGKILL)

    def _report(self, pid: int, requester: socket.socket, ended: int) -> None:
        """Send the exit code of a parser to the requester, unless it has gone."""
        _, status = os.waitpid(pid, 0)
        self._selector.unregister(ended)
        os.close(ended)
        if requester in self._selector.get_map():
            self._selector.unregister(requester)
            with contextlib.suppress(OSError):
                requester.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        requester.close()


def run_parser(exchange: int, content: int) -> NoReturn:
    """Read a file in this forked process, write the result into the exchange file, and exit."""
    try:
        with os.fdopen(exchange, "r+b", buffering=0) as file, os.fdopen(content, "rb") as source:
            request = transfer.read_request(file)
            file.seek(0)
            file.truncate()
            source.seek(0)
            _limit(request.memory_bytes, request.seconds)
            _parse(request, source, file)
    except MemoryError:
        os._exit(transfer.EXIT_MEMORY)
    os._exit(0)


def _parse(request: transfer.Request, source: BinaryIO, file: BinaryIO) -> None:
    path, options, now, alone, limits, *_ = request
    try:
        result = prepare_file(path, options, now, alone=alone, limits=limits, file=source)
        transfer.write_result(file, result)
    except CoinError as error:
        transfer.write_error(file, error)
    except MemoryError:
        raise
    except BaseException:  # noqa: BLE001 -- the requester raises it; a panic in Rust is not an Exception
        transfer.write_bug(file, traceback.format_exc())


def _limit(memory_bytes: int, seconds: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries write there that memory is exhausted
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.alarm(seconds * transfer.WALL_FACTOR)
    if sys.platform == "linux":
        used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
        limit = int(used.split()[1]) * 1024 + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    gc.freeze()  # so that the parsers share these objects' pages
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
