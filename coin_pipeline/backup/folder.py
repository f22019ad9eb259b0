"""Backups in a folder."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from coin_pipeline.backup.model import FOLDERS
from coin_pipeline.errors import BackupInProgress, ObjectNotFound, StorageFailed
from coin_pipeline.storage.access import is_shared, make_folders
from coin_pipeline.storage.atomic import atomic_file, translate_os_errors
from coin_pipeline.storage.base import check_key
from coin_pipeline.storage.file_lock import holder
from coin_pipeline.storage.local import TEMPORARY, LocalStore

LOCK = "backup.lock"
_OWNER, _OWNER_AND_GROUP = 0o600, 0o660


class FolderLocation:
    """A `Location` in the folder `root`, which is created when it is first written to.

    Files are readable by their owner only, and by the group of a folder that is shared with it: they contain everything
    that is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = LocalStore(root)

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """Write a temporary file, sync it to the disk and give it its name; see `Location.write`."""
        path = self.root / check_key(name)
        with translate_os_errors(path):
            make_folders(path.parent)
            mode = _OWNER_AND_GROUP if is_shared(path.parent) else _OWNER
            temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
            with atomic_file(
                path, temporary, replace=True, prepare=lambda descriptor: os.fchmod(descriptor, mode)
            ) as file:
                yield file

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; see `Location.open`."""
        path = self.root / check_key(name)
        with translate_os_errors(path):
            try:
                return path.open("rb")
            except FileNotFoundError:
                raise ObjectNotFound(name) from None

    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of the files in a folder; see `Location.names`."""
        if self.root.is_file():
            raise StorageFailed(f"cannot access {self.root}: Not a directory; set COIN_BACKUP_LOCATION to a folder")
        return (name for name in self._files.keys(prefix.strip("/")) if name != LOCK)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes; see `Location.size`."""
        return self._files.info(name).size

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return self._files.exists(name)

    def delete(self, name: str) -> None:
        """Delete a file; deleting an absent one is not an error."""
        with translate_os_errors(self.root / name):
            (self.root / check_key(name)).unlink(missing_ok=True)

    def uri(self, name: str = "") -> str:
        """Return the path of a file, or of the folder."""
        return str(self.root / name)

    def free_bytes(self) -> int | None:
        """Return the free space on the disk of the folder, or on that of its parent if it does not exist yet."""
        with translate_os_errors(self.root):
            return shutil.disk_usage(next(path for path in (self.root, *self.root.parents) if path.exists())).free

    @contextmanager
    def lock(self) -> Iterator["FolderLock"]:
        """Lock the folder; the kernel releases the lock when this process ends. See `Location.lock`."""
        with translate_os_errors(self.root):
            make_folders(self.root)
            file = (self.root / LOCK).open("a+")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise BackupInProgress(self.uri(), file.read(200) or "another process") from None
            file.truncate(0)
            file.write(holder())
            file.flush()
            yield FolderLock()
            file.truncate(0)

    def remove_incomplete(self) -> int:
        """Remove temporary files; see `Location.remove_incomplete`."""
        with translate_os_errors(self.root):
            found = [path for folder in FOLDERS for path in (self.root / folder).glob(f"{TEMPORARY}*")]
            for path in found:
                path.unlink(missing_ok=True)
        return len(found)


class FolderLock:
    """A lock that its process has until it ends."""

    def require(self) -> None:
        """Return: no other process can take it over."""
