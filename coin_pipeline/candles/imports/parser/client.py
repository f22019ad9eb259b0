"""Requests to the parser process."""

import math
import os
import signal
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.limits import FileLimits
from coin_pipeline.candles.imports.parser import transfer
from coin_pipeline.candles.imports.parser.server import ParserServer
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile
from coin_pipeline.errors import Coded, InvalidCandleFile, ReaderUnavailable, coded
from coin_pipeline.settings import Settings

_BYTES_PER_BYTE = 16
"""Memory for each byte of a large local file: a zip archive of minutes needs 12."""
_BYTES_PER_ROW = 192
"""Memory for each row, whatever the format: columns of 8 bytes, and copies of them."""
_OUT_OF_MEMORY = (transfer.EXIT_MEMORY, -signal.SIGABRT)  # C++ and Rust abort if they cannot allocate
_OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGALRM)


class ParserLimits(NamedTuple):
    """Limits of a parser process, for small files; those of a large one grow with its size.

    Attributes:
        memory_mib: Memory that it may allocate, MiB.
        seconds: CPU time that it may use.
        growth: How many times larger the limits of a large file may be.
    """

    memory_mib: int
    seconds: int
    growth: float = math.inf

    @staticmethod
    def of(settings: Settings, growth: float = math.inf) -> "ParserLimits":
        """Return the limits that the settings contain."""
        return ParserLimits(settings.coin_import_memory_mib, settings.coin_import_seconds, growth)

    def for_size(self, size: int) -> tuple[int, int]:
        """Return the memory in bytes, and the seconds, for a file of a size in bytes."""
        memory = self.memory_mib << 20
        scale = min(max(size * _BYTES_PER_BYTE / memory, 1), self.growth)
        return int(memory * scale), math.ceil(self.seconds * scale)


class CandleFileParser:
    """Reads candle files, each in a process of its own with limited memory and time. Thread-safe.

    Args:
        server: Forks the processes.
        limits: Limits of each.
    """

    def __init__(self, server: ParserServer, limits: ParserLimits) -> None:
        self._server, self._limits = server, limits

    def prepare(self, path: Path, options: ImportOptions, now: int, *, alone: bool) -> PreparedFile:
        """Read and check a file as `prepare_file` does.

        Raises:
            InvalidInput: As for `prepare_file`; or the file exceeds a limit, or ends the process that reads it.
            ReaderUnavailable: The server was killed.
        """
        with translate_errors(path):
            file = path.open("rb")
        with file:
            return self.begin(path, file, options, now, alone=alone).result()

    def begin(self, path: Path, file: IO[bytes], options: ImportOptions, now: int, *, alone: bool) -> "Parsing":
        """Start to read an open file, whose name is `path`; see `prepare`."""
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise InvalidCandleFile(path, coded("not_a_regular_file"))
        memory, seconds = self._limits.for_size(found.st_size)
        limits = FileLimits(memory // _BYTES_PER_ROW, memory // 2)
        exchange = _anonymous_file()
        transfer.write_request(exchange, transfer.Request(path, options, now, alone, limits, memory, seconds))
        exchange.seek(0)
        own, other = socket.socketpair()
        with other:
            self._server.send([other.fileno(), exchange.fileno(), file.fileno()])
        return Parsing(path, self._limits, memory, seconds, own, exchange)


class Parsing:
    """A file that a parser process reads."""

    def __init__(
        self, path: Path, limits: ParserLimits, memory: int, seconds: int, line: socket.socket, exchange: BinaryIO
    ) -> None:
        self._path, self._limits, self._memory, self._seconds = path, limits, memory, seconds
        self._line, self._exchange = line, exchange

    def cancel(self) -> None:
        """Kill the process; `result` raises ReaderUnavailable. Callable from any thread."""
        with suppress(OSError):  # `result` has just returned
            self._line.shutdown(socket.SHUT_RDWR)

    def result(self) -> PreparedFile:
        """Wait for the result; to be called once.

        Raises:
            InvalidInput, ReaderUnavailable: As for `CandleFileParser.prepare`.
            RuntimeError: An unexpected exception, with its traceback.
        """
        with self._exchange, self._line, self._line.makefile("rb") as answers:
            answer = answers.readline()
            if not answer:
                raise ReaderUnavailable
            exit_code = int(answer)
            if exit_code:
                raise InvalidCandleFile(self._path, self._reason(exit_code))
            return transfer.read_result(self._exchange, self._path)

    def _reason(self, exit_code: int) -> Coded:
        memory_mib, seconds, _ = self._limits
        if exit_code in _OUT_OF_MEMORY:
            return coded("needs_memory", needed=self._memory >> 20, limit=memory_mib)
        if exit_code in _OUT_OF_TIME:
            return coded("needs_time", needed=self._seconds, limit=seconds)
        name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        return coded("ends_reader", exit=name)


def _anonymous_file() -> BinaryIO:
    """Return a file in memory where there is one, that ends with its last descriptor."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("candles"), "w+b")
    return cast("BinaryIO", tempfile.TemporaryFile())
