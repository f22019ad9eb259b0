"""Bounded log files of other processes, which append to a descriptor that they inherited. Standard library only."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_BLOCK_BYTES = 1 << 20
_TAIL_BYTES = 64 << 10
_ALIGNMENT = 64 << 10
"""A multiple of the block size of every usual file system."""
_COLLAPSE_RANGE = 8
OpenFile = Callable[[Path, int], int]


class LogLimit(NamedTuple):
    """Size in bytes at which a log is rotated, and number of its files, the current one included."""

    max_bytes: int
    files: int


DEFAULT_LIMIT = LogLimit(10 << 20, 5)


def open_log(path: Path, flags: int) -> int:
    """Open a log, creating it if missing; only its owner can read it."""
    return os.open(path, flags | os.O_CREAT, 0o600)


class LogFile:
    """The log of a process; this program rotates it by moving its content to `NAME.1`.

    The process writes to the file directly. So it never waits for this program, which may be stopped or killed, and a
    full disk costs it lines but does not end it. Linux removes the copied blocks from the file without losing what is
    written meanwhile (ext4, xfs); a line may then begin in `NAME.1` and end in the next file. Elsewhere the file is
    truncated, which loses lines written between the end of the copy and the truncation.

    Args:
        path: The file.
        limit: When to rotate it, and how many files to keep.
        open_file: Opens a file with flags of `os.open`.
    """

    def __init__(self, path: Path, limit: LogLimit, open_file: OpenFile = open_log) -> None:
        self.path = path
        self._limit = limit
        self._open_file = open_file
        self._writer = -1

    def open_writer(self) -> int:
        """Return a descriptor for the process, valid until the next call; creates the file if it was deleted."""
        self.close()
        self._writer = self._open_file(self.path, os.O_RDWR | os.O_APPEND)
        return self._writer

    def close(self) -> None:
        """Close the descriptor of `open_writer` in this process."""
        if self._writer >= 0:
            os.close(self._writer)
        self._writer = -1

    def keep_bounded(self) -> None:
        """Rotate the log if it is long, and restore it if it was deleted; a full disk is not an error."""
        with suppress(OSError):
            if self._writer >= 0 and os.fstat(self._writer).st_nlink == 0:
                self._restore()
            if self.path.stat().st_size > self._limit.max_bytes:
                self._rotate()

    def tail(self, lines: int) -> str:
        """Return the last lines, including those of the previous file if the log was just rotated."""
        self.keep_bounded()
        end = b""
        for path in (self.path, self._rotated(1)):
            if len(end) < _TAIL_BYTES and path.exists():
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                    end = file.read() + end
        return "\n".join(end.decode(errors="replace").splitlines()[-lines:])

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _restore(self) -> None:
        """Move what was written since the file was deleted to a new file of the same name."""
        target = self._open_file(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            _copy(self._writer, target, 0)
            os.ftruncate(self._writer, 0)
        finally:
            os.close(target)

    def _rotate(self) -> None:
        source = self._open_file(self.path, os.O_RDWR)
        try:
            size = os.fstat(source).st_size
            if not _has_room(self.path, size):
                self._rotated(self._limit.files - 1).unlink(missing_ok=True)
            if _has_room(self.path, size):
                self._move(source)
        finally:
            os.close(source)

    def _move(self, source: int) -> None:
        """Move the log's content to `NAME.1`, and renumber the older files."""
        new = self._rotated(0)
        target = self._open_file(new, os.O_WRONLY | os.O_TRUNC)
        try:
            whole_blocks = (os.fstat(source).st_size - 1) // _ALIGNMENT * _ALIGNMENT
            copied = _copy(source, target, 0, whole_blocks)
            for number in range(self._limit.files - 1, 0, -1):
                with suppress(FileNotFoundError):
                    self._rotated(number - 1).replace(self._rotated(number))
            if not _collapse(source, copied):
                _copy(source, target, copied)
                os.ftruncate(source, 0)
        finally:
            os.close(target)
            new.unlink(missing_ok=True)


def _has_room(path: Path, size: int) -> bool:
    return shutil.disk_usage(path.parent).free > size


def _copy(source: int, target: int, start: int, end: int = sys.maxsize) -> int:
    """Append the bytes of a file from `start` to `end`, or to its end, to another; return where the copy ended."""
    while block := os.pread(source, min(_BLOCK_BYTES, end - start), start):
        start += os.write(target, block)
    return start


def _collapse(file: int, size: int) -> bool:
    """Remove the first bytes of a file at once; return False if there are none or the file system cannot do it."""
    if sys.platform != "linux" or not size:
        return False
    fallocate = ctypes.CDLL(None).fallocate64
    return bool(fallocate(file, _COLLAPSE_RANGE, ctypes.c_int64(0), ctypes.c_int64(size)) == 0)
