"""Writing files so that a reader, or a crash, finds the old bytes or the new ones, never a part."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coin_pipeline.errors import StorageFailed, StorageFull

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
NO_LINKS = (
    "files there cannot have a second name, without which a result could be overwritten;"
    " use a file system that has hard links (ext4, xfs, btrfs, zfs), or a bucket"
)


def atomic_write(
    path: Path,
    data: "ReadableBuffer",
    aside: Path,
    *,
    replace: bool,
    before: Callable[[int], None] = lambda _file: None,
) -> None:
    """Write `data` to `aside`, in the same folder, and put it in place once it is on the disk.

    `before` is called with the open file, so that what it says of it is there with the first byte that is read.

    Raises:
        FileExistsError: `path` is taken and `replace` is False.
        OSError: it cannot be written; `path` is as it was, and `aside` is gone.
    """
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            before(file.fileno())
            os.fsync(file.fileno())
        if replace:
            aside.replace(path)
        else:
            _link(path, aside)
    finally:
        aside.unlink(missing_ok=True)
    sync_directory(path.parent)


def _link(path: Path, aside: Path) -> None:
    """Give a file its name, which unlike a rename refuses to replace."""
    try:
        path.hardlink_to(aside)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise _NoLinks(*error.args) from error
        raise


class _NoLinks(OSError):
    """The file system has no hard links, as vfat."""


@contextmanager
def translate_os_errors(target: object) -> Iterator[None]:
    """Turn what the operating system says about files into this project's errors, which call the file `target`."""
    try:
        yield
    except _NoLinks as error:
        raise StorageFailed(f"cannot store {target}: {NO_LINKS}") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # without the path, nobody's business
        if error.errno in _NO_SPACE:
            raise StorageFull(target, reason) from error
        raise StorageFailed(f"cannot reach {target}: {reason}; check the folder and its permissions") from error


def sync_directory(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
