"""A folder with copies of parts of objects, bounded in size: the least recently used are removed."""

import logging
import os
import uuid
from mmap import mmap
from pathlib import Path

from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.mapped import map_file

_log = logging.getLogger(__name__)
_KEPT = 0.9
"""Share of the limit that is kept when old copies are removed."""
_CHECKED_EVERY = 20
"""The size is checked each time a process has added this fraction of the limit, and once at first."""


class PieceCache:
    """Copies under names that identify their content; processes and threads may share the folder.

    A cache that cannot be read or written is as good as an empty one, with one warning.

    Args:
        folder: The folder, which is created.
        limit: Size of all copies in bytes; each process may exceed it by a twentieth. 0 stores nothing.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._room, self._warned = 0, False

    def get(self, name: str, size: int) -> mmap | None:
        """Return the copy of this name, or None if there is none of this size."""
        path = self._folder / name
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    return None
                os.utime(path)
                return map_file(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(error)
            return None

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Store a copy under its name at once.

        It is not synced to disk, which takes longer than reading it again: a copy that a power failure cut has another
        size, and is not used.
        """
        size = len(data)
        if size > self._limit:
            return
        try:
            make_folders(self._folder)
            self._room -= size
            if self._room < 0:
                self._trim(size)
            temporary = self._folder / f".{uuid.uuid4().hex}"
            try:
                temporary.write_bytes(data)
                temporary.replace(self._folder / name)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._warn(error)

    def remove(self, name: str) -> None:
        """Remove a copy that proved to be damaged."""
        (self._folder / name).unlink(missing_ok=True)

    def _trim(self, size: int) -> None:
        """Make room for a copy, and for a share of the limit."""
        entries = []
        for entry in os.scandir(self._folder):
            try:
                status = entry.stat()
            except FileNotFoundError:  # another process removed it
                continue
            entries.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        used = sum(entry[1] for entry in entries) + size
        if used > self._limit:
            for _, freed, path in sorted(entries):
                path.unlink(missing_ok=True)
                used -= freed
                if used <= _KEPT * self._limit:
                    break
        self._room = self._limit // _CHECKED_EVERY

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("candles of the bucket are not cached in %s: %s", self._folder, error.strerror or error)
