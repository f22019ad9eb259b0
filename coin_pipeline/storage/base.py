"""The object-store protocol and the rule for keys; the stores themselves stand beside it."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, Problem

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Letters of any script are fine in a key; what could leave the root, hide, or break a path is not.
_SEGMENT = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\\ud800-\udfff]+")
_MAX_KEY_BYTES, _MAX_SEGMENT_BYTES = 1024, 255
"""The limit of S3, and that of file names."""

SHA256 = "sha256"
"""The metadata in which a bucket keeps the digest of an object: a store's own checksum of parts is one of checksums."""
_METADATA_NAME, _METADATA_VALUE = re.compile(r"[a-z0-9][a-z0-9_-]*"), re.compile(r"[\x20-\x7e]*")
_MAX_METADATA_BYTES = 1900
"""S3 takes 2 KB, ours included."""


class ObjectEntry(NamedTuple):
    """An object in a listing: its key, its size in bytes, and when it was written (UTC)."""

    key: str
    size: int
    modified: datetime


class IncompleteWrite(NamedTuple):
    """What a write left that never ended: a temporary file, or the parts of an upload; no reader sees it.

    Attributes:
        key: Of the file, or that which the object was to have.
        size: Bytes.
        started_at: When it was last written, or the upload begun, UTC.
        upload_id: The id of the upload; empty for a file.
    """

    key: str
    size: int
    started_at: datetime
    upload_id: str = ""


class ObjectInfo(NamedTuple):
    """What is known of an object without reading it.

    Attributes:
        size: Bytes.
        modified: When it was written, UTC.
        sha256: Hex digest of the bytes that were put; None for an object that came here some other way.
        metadata: What was put with it.
    """

    size: int
    modified: datetime
    sha256: str | None
    metadata: Mapping[str, str]


class ObjectStore(Protocol):
    """Bytes under keys such as `tasks/ID/result.json`.

    An object appears whole or not at all, with the SHA-256 of the bytes that were handed over, and is read with that.
    Every method may raise StorageFailed or one of its kinds.
    """

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`.

        Raises:
            ObjectNotFound: there is no such object.
            ObjectCorrupt: they are not those that were put.
        """
        ...

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        ...

    def info(self, key: str) -> ObjectInfo:
        """Return what is known of the object under `key`, or raise ObjectNotFound."""
        ...

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield what lies below the folder `prefix`, or anywhere."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; one that is absent is not an error."""
        ...

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield what writes below the folder `prefix` left that began before a moment and never ended."""
        ...

    def discard(self, leftover: IncompleteWrite) -> None:
        """Remove what a write left; what is gone already is not an error."""
        ...

    def free_bytes(self) -> int | None:
        """Return how much can be written to the disk; None where there is no such limit."""
        ...

    def uri(self, key: str) -> str:
        """Return where people find `key`: a path, or an s3:// URL."""
        ...


def is_key(text: str) -> bool:
    """Tell whether `text` is a relative path of plain segments that every store can hold."""
    parts = text.split("/")
    return (
        all(_SEGMENT.fullmatch(part) and len(part.encode()) <= _MAX_SEGMENT_BYTES for part in parts)
        and len(text.encode()) <= _MAX_KEY_BYTES
    )


def check_key(key: str) -> str:
    """Return `key` if it can be one, or raise InvalidInput."""
    if not is_key(key):
        says = (
            f"{key[:80]!r} is not an object key; use a relative path without '..' or names that begin with a dot,"
            f" of at most {_MAX_KEY_BYTES} bytes, {_MAX_SEGMENT_BYTES} for each name"
        )
        raise InvalidInput([Problem("key", says)])
    return key


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return metadata that every store can hold, or raise InvalidInput."""
    given = dict(metadata or {})
    problems = [
        Problem(f"metadata.{name}", "takes a name of lower-case letters, digits, - and _, and a value in ASCII")
        for name, value in given.items()
        if name == SHA256 or not (_METADATA_NAME.fullmatch(name) and _METADATA_VALUE.fullmatch(value))
    ]
    if sum(len(name) + len(value) for name, value in given.items()) > _MAX_METADATA_BYTES:
        problems.append(Problem("metadata", f"is more than {_MAX_METADATA_BYTES:,} bytes"))
    if problems:
        raise InvalidInput(problems)
    return given


def sha256_hex(data: "ReadableBuffer") -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def verify_sha256(key: str, data: bytes, sha256: str | None) -> bytes:
    """Return what was read if it is what was put, or raise ObjectCorrupt; without a digest nothing is known."""
    if sha256 is not None and sha256_hex(data) != sha256:
        raise ObjectCorrupt(key, f"its {len(data):,} bytes have not the SHA-256 with which it was stored")
    return data
