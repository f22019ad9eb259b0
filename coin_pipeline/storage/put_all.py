"""Storing several objects at once."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from coin_pipeline.storage.base import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import ReadableBuffer


def put_all(store: ObjectStore, objects: "Mapping[str, ReadableBuffer]") -> None:
    """Store objects at once, replacing existing ones; all are durable when this returns.

    A write spends most of its time waiting for a disk or a bucket, so that several at once take little longer than one.

    Args:
        store: The store.
        objects: Contents by key.

    Raises:
        StorageFailed: An object cannot be written; others may have been.
    """
    if not objects:
        return
    with ThreadPoolExecutor(len(objects)) as pool:
        writes = [
            pool.submit(copy_context().run, store.put, key, data, overwrite=True) for key, data in objects.items()
        ]
    for write in writes:
        write.result()
