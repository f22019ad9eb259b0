"""Files that are noticed when they change: by their state on disk first, then by what they hold."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_State = tuple[int, int, int]


class FileSnapshot:
    """Some files as they were when they were read."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._states = {file: _state(file) for file in files}
        self._digests = {file: _digest(file) for file in self._states}

    def has_changed(self) -> bool:
        """Tell whether any file holds something else now; one that was only touched does not."""
        states = {file: _state(file) for file in self._states}
        touched = [file for file, state in states.items() if state != self._states[file]]
        if any(_digest(file) != self._digests[file] for file in touched):
            return True
        self._states = states
        return False


def _state(file: Path) -> _State | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None
