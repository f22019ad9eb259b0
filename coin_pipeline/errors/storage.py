"""Errors of object storage."""

from typing import ClassVar

from coin_pipeline.errors.base import CoinError
from coin_pipeline.errors.coded import coded


class StorageFailed(CoinError):
    """An object could not be read or written."""

    client_message: ClassVar[str | None] = coded("storage_failed")


class StorageFull(StorageFailed):
    """The disk or quota is full; no partial object is visible."""

    client_message = coded("storage_full")

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"no space left to write {where} ({reason}); free some space and run again")


class ObjectCorrupt(StorageFailed):
    """The bytes read are not the bytes that were written."""

    client_message = None  # the text names only the object

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(coded("object_corrupt", key=key, reason=reason))


class ObjectChanged(StorageFailed):
    """An object was replaced or removed since it was looked at."""

    client_message = None  # the text names only the object

    def __init__(self, key: str) -> None:
        super().__init__(coded("object_changed", key=key))


class CopyDamaged(ObjectChanged):
    """A copy in the cache is not what it was copied from; it has been removed."""

    def __init__(self, key: str) -> None:
        StorageFailed.__init__(self, coded("copy_damaged", key=key))


class StorageRefused(StorageFailed):
    """The object store rejected the request; a setting or permission must change."""

    client_message = coded("storage_refused")

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"the object store rejected {where}: {reason}")


class StorageForbidden(StorageRefused):
    """The credentials lack the permission for a request."""


class StorageUnsupported(StorageRefused):
    """The object store does not implement a request; others may work."""

    def __init__(self, where: object) -> None:
        super().__init__(where, "it does not support this request; use a store that does")


class StorageUnavailable(StorageFailed):
    """The object store did not respond; a retry may succeed."""

    client_message = coded("storage_unavailable")

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"cannot reach the object store at {where}: {reason}; try again later")
