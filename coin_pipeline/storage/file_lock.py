"""Lock files that one process holds, and that it creates again if they are deleted meanwhile."""

import fcntl
import os
import socket
from pathlib import Path
from typing import IO

FileId = tuple[int, int]
"""Device and inode of a file."""


class FileLock:
    """A lock on a file; forked processes share it.

    Args:
        path: The file, which is created.
        kind: LOCK_EX for one process only, LOCK_SH for several that exclude those with LOCK_EX.
    """

    def __init__(self, path: Path, kind: int = fcntl.LOCK_EX) -> None:
        self._path = path
        self._kind = kind
        self.file = path.open("a+")

    def acquire(self) -> bool:
        """Try to take the lock; return whether this process has it."""
        return try_lock(self.file, self._kind)

    def restore(self) -> bool:
        """Create the file again if it was deleted or replaced, since another process could lock a new one.

        Returns:
            Whether this process has the lock; False if another process took it meanwhile.
        """
        if file_id(self._path) == _id_of(os.fstat(self.file.fileno())):
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replaced, self.file = self.file, self._path.open("a+")
        replaced.close()
        return self.acquire()

    def write(self, text: str) -> None:
        """Replace the content of the file."""
        self.file.truncate(0)
        self.file.write(text)
        self.file.flush()

    def close(self) -> None:
        """Release the lock."""
        self.file.close()


def try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Try to lock an open file; return False if another process holds a lock that excludes it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def file_id(path: Path) -> FileId | None:
    """Return which file a path leads to, or None if it leads to none."""
    try:
        return _id_of(path.stat())
    except FileNotFoundError:
        return None


def holder() -> str:
    """Return how this process is named to another one that waits for its lock."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _id_of(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino
