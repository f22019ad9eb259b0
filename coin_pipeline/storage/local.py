"""Objects as files below one folder."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_pipeline.errors import ObjectExists, ObjectNotFound, StorageFailed, StorageFull
from coin_pipeline.storage.base import check_key

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LocalStore:
    """An ObjectStore in the folder `root`; each object is written aside, synced, then linked into place."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        path = self._path(key)
        aside = path.parent / f".tmp-{uuid.uuid4().hex}"
        with _storage_errors(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_synced(aside, data)
                if overwrite:
                    aside.replace(path)
                else:
                    path.hardlink_to(aside)  # unlike a rename, it refuses to replace
            except FileExistsError:
                if path.read_bytes() != data:
                    raise ObjectExists(key) from None
            finally:
                aside.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`, or raise ObjectNotFound."""
        with _storage_errors(key):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise ObjectNotFound(key) from None

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        with _storage_errors(key):
            return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key below the folder `prefix`, in order; files that are still being written are not there."""
        folder = self._path(prefix)
        with _storage_errors(prefix):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path.relative_to(self.root).as_posix()

    def delete(self, key: str) -> None:
        """Remove `key`; one that is absent is not an error."""
        with _storage_errors(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(key, os.strerror(error.errno)) from error
        msg = f"cannot reach {key!r}: {error.strerror or error}"
        raise StorageFailed(msg) from error
