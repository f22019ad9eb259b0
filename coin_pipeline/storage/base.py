"""The object-store protocol and the rule for keys; the stores themselves stand beside it."""

import re
from collections.abc import Iterator
from typing import Protocol

from coin_pipeline.errors import InvalidInput, Problem

# Letters of any script are fine in a key; what could leave the root, hide, or break a path is not.
_SEGMENT = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\]+")
_MAX_KEY_BYTES = 1024  # S3's limit


class ObjectStore(Protocol):
    """Bytes under keys such as `tasks/ID/result.json`.

    An object appears whole or not at all. Every method may raise StorageFailed or one of its kinds.
    """

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`, or raise ObjectNotFound."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key below the folder `prefix`, in order."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; one that is absent is not an error."""
        ...


def check_key(key: str) -> str:
    """Return `key` if it is a relative path of plain segments, or raise InvalidInput."""
    segments = key.split("/")
    if not all(_SEGMENT.fullmatch(part) for part in segments) or len(key.encode("utf-8", "replace")) > _MAX_KEY_BYTES:
        raise InvalidInput([Problem("key", f"{key[:80]!r} is not an object key; use relative paths without '..'")])
    return key
