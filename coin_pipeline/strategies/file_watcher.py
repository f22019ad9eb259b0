"""Change detection for files: by inode, modification time and size first, then by content."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_State = tuple[int, int, int]


class FileSnapshot:
    """State and content digest of some files at the time of creation."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._states = {file: _state(file) for file in files}
        self._digests = {file: _digest(file) for file in self._states}

    def has_changed(self) -> bool:
        """Return whether the content of any file has changed; a file that was only touched has not."""
        states = {file: _state(file) for file in self._states}
        touched = [file for file, state in states.items() if state != self._states[file]]
        if any(_digest(file) != self._digests[file] for file in touched):
            return True
        self._states = states
        return False


def _state(file: Path) -> _State | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None
