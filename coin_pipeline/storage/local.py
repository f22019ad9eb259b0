"""Objects as files below one folder."""

import errno
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coin_pipeline.errors import InvalidInput, ObjectExists, ObjectNotFound, Problem, StorageFailed
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors
from coin_pipeline.storage.base import (
    IncompleteWrite,
    ObjectEntry,
    ObjectInfo,
    check_key,
    check_metadata,
    is_key,
    sha256_hex,
    verify_sha256,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Extended attributes come into being with the file, atomically; a file beside it could not.
_SHA256, _METADATA = "user.coin.sha256", "user.coin.metadata"
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_NO_ATTRIBUTES = {errno.ENOTSUP, errno.EOPNOTSUPP}
TEMPORARY = ".tmp-"
"""How names of files begin that are still being written."""
_NOWHERE = {errno.ENOENT, errno.ELOOP}
_TRIES = 10
"""How often a write is tried whose folder is removed under it."""


class LocalStore:
    """An ObjectStore in the folder `root`; each object is written aside, synced, then linked into place."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        path = self._path(key)
        aside = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        digest = sha256_hex(data)
        attributes = {_SHA256: digest.encode()}
        if metadata:
            attributes[_METADATA] = json.dumps(check_metadata(metadata)).encode()
        with translate_os_errors(key):
            try:
                _within(
                    path.parent,
                    lambda: atomic_write(
                        path, data, aside, replace=overwrite, before=lambda file: _describe(file, attributes)
                    ),
                )
            except FileExistsError:
                if sha256_hex(path.read_bytes()) != digest:
                    raise ObjectExists(key) from None

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`, or raise ObjectNotFound, or ObjectCorrupt if they are not those put."""
        with translate_os_errors(key):
            try:
                with self._path(key).open("rb") as file:
                    data = file.read()
                    return verify_sha256(key, data, _attribute(file.fileno(), _SHA256))
            except _ABSENT:
                raise ObjectNotFound(key) from None

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        with translate_os_errors(key):
            return self._path(key).is_file()

    def info(self, key: str) -> ObjectInfo:
        """Return what is known of the object under `key`, or raise ObjectNotFound."""
        with translate_os_errors(key):
            try:
                with self._path(key).open("rb") as file:
                    found, put_with = os.fstat(file.fileno()), _attribute(file.fileno(), _METADATA)
                    digest = _attribute(file.fileno(), _SHA256)
            except _ABSENT:
                raise ObjectNotFound(key) from None
        return ObjectInfo(found.st_size, _instant(found), digest, json.loads(put_with or "{}"))

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield what lies below the folder `prefix`; what is still being written is left out."""
        folder = self._path(prefix) if prefix else self.root
        with translate_os_errors(prefix):
            if self._link_to(folder):
                return
            yield from _files(folder, f"{prefix}/" if prefix else "")

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        return (entry.key for entry in self.entries(prefix))

    def delete(self, key: str) -> None:
        """Remove `key`, and folders that it leaves empty; one that is absent is not an error."""
        self._remove(check_key(key))

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield temporary files below the folder `prefix` that were last written before a moment."""
        with translate_os_errors(prefix):
            for path in sorted(_temporary(self._path(prefix))):
                with suppress(FileNotFoundError):  # it has just got its name
                    told = path.stat()
                    if _instant(told) < before:
                        yield IncompleteWrite(path.relative_to(self.root).as_posix(), told.st_size, _instant(told))

    def discard(self, leftover: IncompleteWrite) -> None:
        """Remove a temporary file, and folders that it leaves empty; one that is gone already is not an error."""
        folder, _, name = leftover.key.rpartition("/")
        check_key(folder)
        if not name.startswith(TEMPORARY):
            raise InvalidInput([Problem("key", f"{leftover.key[:80]!r} is not a temporary file")])
        self._remove(leftover.key)

    def free_bytes(self) -> int | None:
        """Return how much can be written to the disk of the folder."""
        with translate_os_errors(self.root):
            return shutil.disk_usage(self.root).free

    def uri(self, key: str) -> str:
        """Return the path of `key`."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _link_to(self, folder: Path) -> Path | None:
        """Return what on the way to a folder is a link, but for its shelf, which may be on another disk."""
        below_shelf = len(folder.relative_to(self.root).parts) - 1
        way = [folder, *folder.parents][: max(below_shelf, 0)]
        return next((each for each in way if each.is_symlink()), None)

    def _remove(self, relative: str) -> None:
        path = self.root / relative
        if link := self._link_to(path.parent):
            says = "what a link leads to is somebody else's; remove the link"
            raise StorageFailed(f"cannot remove {relative}: {link.relative_to(self.root)} is a link, and {says}")
        with translate_os_errors(relative):
            path.unlink(missing_ok=True)
        for folder in path.parents[: relative.count("/")]:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already
                break


def supports_checksums(folder: Path) -> bool:
    """Tell whether files below `folder` can carry their checksum: not every file system has extended attributes."""
    probe = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    with translate_os_errors(folder):
        try:
            with probe.open("wb") as file:
                _describe(file.fileno(), {_SHA256: b"-"})
                return _attribute(file.fileno(), _SHA256) is not None
        finally:
            probe.unlink(missing_ok=True)


def _within(folder: Path, write: Callable[[], None]) -> None:
    """Write in a folder that is made if need be, and again where somebody finds it empty and removes it just then."""
    for _ in range(_TRIES - 1):
        with suppress(FileNotFoundError):
            _make(folder)
            return write()
    _make(folder)
    return write()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if folder.is_file():
            raise NotADirectoryError(*error.args) from None
        raise FileNotFoundError(*error.args) from None  # removed between two looks


def _files(folder: Path, before: str) -> Iterator[ObjectEntry]:
    """Yield the files of a folder; of links to folders only shelves are gone through: others may lead back here."""
    try:
        found = sorted(os.scandir(folder), key=lambda each: each.name)
    except _ABSENT:
        return
    for each in found:
        key = before + each.name
        told = _told(each) if is_key(key) else None
        if told and stat.S_ISREG(told.st_mode):
            yield ObjectEntry(key, told.st_size, _instant(told))
        elif told and stat.S_ISDIR(told.st_mode) and not (before and each.is_symlink()):
            yield from _files(folder / each.name, f"{key}/")


def _told(each: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return each.stat()
    except OSError as error:
        if error.errno not in _NOWHERE:
            raise
        return None  # deleted meanwhile, or a link that leads nowhere


def _temporary(folder: Path) -> Iterator[Path]:
    """Yield temporary files below a folder; what a link leads to is somebody else's."""
    try:
        found = list(os.scandir(folder))
    except _ABSENT:
        return
    for each in found:
        if each.is_dir(follow_symlinks=False):
            yield from _temporary(folder / each.name)
        elif each.name.startswith(TEMPORARY) and each.is_file(follow_symlinks=False):
            yield folder / each.name


def _instant(told: os.stat_result) -> datetime:
    return datetime.fromtimestamp(told.st_mtime, UTC)


def _describe(file: int, attributes: Mapping[str, bytes]) -> None:
    """Put attributes on an open file where the platform has them; without, the file has no checksum of its own."""
    if not hasattr(os, "setxattr"):
        return
    for name, value in attributes.items():
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise


def _attribute(file: int, name: str) -> str | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(file, name).decode()
    except OSError as error:
        if error.errno in {errno.ENODATA, *_NO_ATTRIBUTES}:
            return None
        raise
