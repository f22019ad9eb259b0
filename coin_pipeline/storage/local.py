"""ObjectStore over a local directory."""

import errno
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

from coin_pipeline.errors import InvalidInput, ObjectExists, ObjectNotFound, Problem, StorageFailed
from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors
from coin_pipeline.storage.base import (
    IncompleteWrite,
    ObjectEntry,
    ObjectInfo,
    check_key,
    check_metadata,
    is_key,
    sha256_hex,
    verify_file,
    verify_sha256,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Extended attributes appear atomically with the file; a second file next to it could not. 32 raw bytes fit into an
# inode of ext4, whereas the 64 digits that earlier versions stored take a block of 4 KiB for each file.
_SHA256, _SHA256_DIGITS, _METADATA = "user.coin.sha256.raw", "user.coin.sha256", "user.coin.metadata"
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_NO_ATTRIBUTES = {errno.ENOTSUP, errno.EOPNOTSUPP}
TEMPORARY = ".tmp-"
"""Prefix of the names of files that are still being written."""
_UNRESOLVABLE = {errno.ENOENT, errno.ELOOP}
_MAX_ATTEMPTS = 10
"""Maximum attempts to write while another process keeps removing the empty directory."""


class LocalStore:
    """An ObjectStore in the directory `root`.

    Each object is written to a temporary file, synced, then linked to its final name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = LocalStore(Path(folder))
    ...     store.put("tasks/1/result.json", b"{}")
    ...     store.get("tasks/1/result.json"), list(store.keys("tasks"))
    (b'{}', ['tasks/1/result.json'])
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store an object; see `ObjectStore.put`."""
        path = self._path(key)
        temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        digest = sha256_hex(data)
        attributes = {_SHA256: bytes.fromhex(digest)}
        if metadata:
            attributes[_METADATA] = json.dumps(check_metadata(metadata)).encode()
        with translate_os_errors(key):
            try:
                _write_in(
                    path.parent,
                    lambda: atomic_write(
                        path,
                        data,
                        temporary,
                        replace=overwrite,
                        prepare=lambda descriptor: _set_attributes(descriptor, attributes),
                    ),
                )
            except FileExistsError:
                if sha256_hex(path.read_bytes()) != digest:
                    raise ObjectExists(key) from None

    def get(self, key: str) -> bytes:
        """Return the bytes under a key, verified against their digest; see `ObjectStore.get`."""
        with translate_os_errors(key):
            try:
                with self._path(key).open("rb") as file:
                    data = file.read()
                    return verify_sha256(key, data, _get_digest(file.fileno()))
            except _ABSENT:
                raise ObjectNotFound(key) from None

    @contextmanager
    def open(self, key: str) -> Iterator[BufferedIOBase]:
        """Open an object for reading; see `ObjectStore.open`."""
        with translate_os_errors(key):
            try:
                file = self._path(key).open("rb")
            except _ABSENT:
                raise ObjectNotFound(key) from None
        with file:
            with translate_os_errors(key):
                verify_file(key, file, _get_digest(file.fileno()))
            yield file

    def exists(self, key: str) -> bool:
        """Return whether the key holds an object."""
        with translate_os_errors(key):
            return self._path(key).is_file()

    def info(self, key: str) -> ObjectInfo:
        """Return the attributes of an object, or raise ObjectNotFound."""
        with translate_os_errors(key):
            try:
                with self._path(key).open("rb") as file:
                    status, metadata = os.fstat(file.fileno()), _get_attribute(file.fileno(), _METADATA)
                    digest = _get_digest(file.fileno())
            except _ABSENT:
                raise ObjectNotFound(key) from None
        return ObjectInfo(status.st_size, _modified(status), digest, json.loads(metadata or b"{}"))

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield the objects under the folder `prefix`; files that are still being written are left out."""
        folder = self._path(prefix) if prefix else self.root
        with translate_os_errors(prefix):
            if self._find_link(folder):
                return
            yield from _files(folder, f"{prefix}/" if prefix else "")

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        return (entry.key for entry in self.entries(prefix))

    def delete(self, key: str) -> None:
        """Delete an object and the folders that become empty; deleting an absent object is not an error."""
        self._remove(check_key(key))

    def set_modified(self, key: str, modified: datetime) -> None:
        """Set the modification time of an object that was moved here."""
        nanoseconds = round(modified.timestamp() * 1e6) * 1000
        with translate_os_errors(key):
            os.utime(self._path(key), ns=(nanoseconds, nanoseconds))

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield temporary files under the folder `prefix` that were last written before a moment."""
        with translate_os_errors(prefix):
            for path in sorted(_temporary_files(self._path(prefix))):
                with suppress(FileNotFoundError):  # the write has just completed
                    status = path.stat()
                    if _modified(status) < before:
                        key = path.relative_to(self.root).as_posix()
                        yield IncompleteWrite(key, status.st_size, _modified(status))

    def discard(self, leftover: IncompleteWrite) -> None:
        """Remove a temporary file and the folders that become empty; removing an absent one is not an error."""
        folder, _, name = leftover.key.rpartition("/")
        check_key(folder)
        if not name.startswith(TEMPORARY):
            raise InvalidInput([Problem("key", f"{leftover.key[:80]!r} is not a temporary file")])
        self._remove(leftover.key)

    def free_bytes(self) -> int | None:
        """Return the free space on the disk of the root directory, in bytes."""
        with translate_os_errors(self.root):
            return shutil.disk_usage(self.root).free

    def uri(self, key: str) -> str:
        """Return the path of an object."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _find_link(self, folder: Path) -> Path | None:
        """Return a symbolic link on the path to a folder, except its first level, which may be on another disk."""
        depth = len(folder.relative_to(self.root).parts) - 1
        ancestors = [folder, *folder.parents][: max(depth, 0)]
        return next((path for path in ancestors if path.is_symlink()), None)

    def _remove(self, relative: str) -> None:
        path = self.root / relative
        if link := self._find_link(path.parent):
            reason = "its target may belong to another program; remove the link"
            raise StorageFailed(f"cannot remove {relative}: {link.relative_to(self.root)} is a link, and {reason}")
        with translate_os_errors(relative):
            path.unlink(missing_ok=True)
        for folder in path.parents[: relative.count("/")]:
            try:
                folder.rmdir()
            except OSError:  # not empty, or already removed
                break


def supports_checksums(folder: Path) -> bool:
    """Return whether files in `folder` can carry checksums: not every file system has extended attributes."""
    probe = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    with translate_os_errors(folder):
        try:
            with probe.open("wb") as file:
                _set_attributes(file.fileno(), {_SHA256: b"-"})
                return _get_digest(file.fileno()) is not None
        finally:
            probe.unlink(missing_ok=True)


def _write_in(folder: Path, write: Callable[[], None]) -> None:
    """Create a folder and write in it, and repeat both if another process removes the empty folder in between."""
    for _ in range(_MAX_ATTEMPTS - 1):
        with suppress(FileNotFoundError):
            _make_folder(folder)
            return write()
    _make_folder(folder)
    return write()


def _make_folder(folder: Path) -> None:
    try:
        make_folders(folder)
    except FileExistsError as error:
        if folder.is_file():
            raise NotADirectoryError(*error.args) from None
        raise FileNotFoundError(*error.args) from None  # removed between the two checks


def _files(folder: Path, prefix: str) -> Iterator[ObjectEntry]:
    """Yield the files of a folder; links are followed only at the first level, since others may form a cycle."""
    try:
        items = sorted(os.scandir(folder), key=lambda item: item.name)
    except _ABSENT:
        return
    for item in items:
        key = prefix + item.name
        status = _status(item) if is_key(key) else None
        if status and stat.S_ISREG(status.st_mode):
            yield ObjectEntry(key, status.st_size, _modified(status))
        elif status and stat.S_ISDIR(status.st_mode) and not (prefix and item.is_symlink()):
            yield from _files(folder / item.name, f"{key}/")


def _status(item: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return item.stat()
    except OSError as error:
        if error.errno not in _UNRESOLVABLE:
            raise
        return None  # deleted in the meantime, or a broken link


def _temporary_files(folder: Path) -> Iterator[Path]:
    """Yield the temporary files under a folder; links are not followed, as their targets may not be part of the store.

    Files in a folder that is removed in the meantime are left out.
    """
    try:
        items = list(os.scandir(folder))
    except _ABSENT:
        return
    for item in items:
        if item.is_dir(follow_symlinks=False):
            yield from _temporary_files(folder / item.name)
        elif item.name.startswith(TEMPORARY) and item.is_file(follow_symlinks=False):
            yield folder / item.name


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _set_attributes(descriptor: int, attributes: Mapping[str, bytes]) -> None:
    """Set extended attributes on an open file where they are supported; otherwise the file has no checksum."""
    if not hasattr(os, "setxattr"):
        return
    for name, value in attributes.items():
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise


def _get_digest(descriptor: int) -> str | None:
    """Return the SHA-256 that was stored with an open file, in hex digits; None if it has none."""
    if raw := _get_attribute(descriptor, _SHA256):
        return raw.hex()
    digits = _get_attribute(descriptor, _SHA256_DIGITS)
    return digits.decode() if digits else None


def _get_attribute(descriptor: int, name: str) -> bytes | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno in {errno.ENODATA, *_NO_ATTRIBUTES}:
            return None
        raise
