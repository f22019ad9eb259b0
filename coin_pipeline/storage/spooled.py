"""Contents that are written before they are stored: small ones in memory, large ones on disk."""

from collections.abc import Callable
from io import BytesIO
from mmap import mmap
from tempfile import TemporaryFile
from typing import BinaryIO, TypeAlias

from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.mapped import map_file

Content: TypeAlias = bytes | mmap
"""Bytes in memory, or those of a file, which Linux loads and drops as needed; they do not count as a run's memory."""
MAX_IN_MEMORY = 8 * 2**20
"""Bytes up to which a content is kept in memory."""


def spool(write: Callable[[BinaryIO], object], size: int, name: str) -> Content:
    """Return what `write` writes.

    Args:
        write: Writes the content to the file that it gets.
        size: Estimate of its size, bytes; more than `MAX_IN_MEMORY` is written to a temporary file.
        name: Name of the content in an error.

    Raises:
        StorageFull: The disk of temporary files is full.
        StorageFailed: The temporary file cannot be written.
    """
    if size <= MAX_IN_MEMORY:
        buffer = BytesIO()
        write(buffer)
        return buffer.getvalue()
    with translate_os_errors(f"the temporary file of {name}"), TemporaryFile() as file:
        write(file)
        file.flush()
        return map_file(file)


def map_object(store: ObjectStore, key: str) -> mmap:
    """Return an object that is not empty as a read-only view of its file, verified; deleting it later is harmless.

    Raises:
        ObjectNotFound: There is no such object.
        ObjectCorrupt: The bytes differ from those that were stored.
    """
    with store.open(key) as file:
        return map_file(file)
