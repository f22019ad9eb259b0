"""Atomic file writes: a reader, or a crash, sees the old bytes or the new ones, never a mixture."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from coin_pipeline.errors import StorageFailed, StorageFull
from coin_pipeline.storage.mapped import pieces

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
NO_LINKS = (
    "the file system has no hard links, which protect results from being overwritten;"
    " use one that has them (ext4, xfs, btrfs, zfs), or a bucket"
)


def atomic_write(
    path: Path,
    data: "ReadableBuffer",
    temporary: Path,
    *,
    replace: bool,
    prepare: Callable[[int], None] = lambda _descriptor: None,
) -> None:
    """Write `data` to a temporary file, sync it to disk, and give it its final name.

    Args:
        path: The final name.
        data: The content.
        temporary: A name in the same directory; removed on failure.
        replace: Whether an existing file is replaced.
        prepare: Called with the open descriptor before the file is visible, to set its attributes.

    Raises:
        FileExistsError: `path` exists and `replace` is False.
        OSError: The file cannot be written; `path` is unchanged.
    """
    with atomic_file(path, temporary, replace=replace, prepare=prepare) as file:
        file.writelines(pieces(data))


@contextmanager
def atomic_file(
    path: Path, temporary: Path, *, replace: bool, prepare: Callable[[int], None] = lambda _descriptor: None
) -> Iterator[BinaryIO]:
    """Yield a temporary file; when the block ends without an error, sync it to disk and give it its final name.

    See `atomic_write`.
    """
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            prepare(file.fileno())
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            _link(path, temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def _link(path: Path, temporary: Path) -> None:
    """Give the file its name with a hard link, which, unlike a rename, never replaces."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise _NoLinks(*error.args) from error
        raise


class _NoLinks(OSError):
    """The file system, such as vfat, does not support hard links."""


@contextmanager
def translate_os_errors(target: object) -> Iterator[None]:
    """Translate OSError into this project's storage errors.

    Args:
        target: What the error message calls the file.

    Raises:
        StorageFull: The disk or quota is full.
        StorageFailed: Any other error of the file system.
    """
    try:
        yield
    except _NoLinks as error:
        raise StorageFailed(f"cannot store {target}: {NO_LINKS}") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # without the path, which stays private
        if error.errno in _NO_SPACE:
            raise StorageFull(target, reason) from error
        raise StorageFailed(f"cannot access {target}: {reason}; check the folder and its permissions") from error


def sync_directory(directory: Path) -> None:
    """Sync a directory, so that a new name in it survives a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
