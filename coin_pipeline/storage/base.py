"""The object-store protocol and the rules for keys and metadata, which every store shares."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from io import SEEK_END, BufferedIOBase
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, Problem
from coin_pipeline.storage.mapped import pieces

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Letters of any script are allowed in a key; anything that leaves the root, hides a file or breaks a path is not.
_SEGMENT = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\\ud800-\udfff]+")
_MAX_KEY_BYTES, _MAX_SEGMENT_BYTES = 1024, 255
"""The limits of S3 keys and of file names."""

SHA256 = "sha256"
"""Metadata name of the digest in a bucket; S3's own checksum of a multipart object is a checksum of checksums."""
_METADATA_NAME, _METADATA_VALUE = re.compile(r"[a-z0-9][a-z0-9_-]*"), re.compile(r"[\x20-\x7e]*")
_MAX_METADATA_BYTES = 1900
"""S3 allows 2 KB, including the digest."""

COMPUTE_LOGS = "compute_logs"
"""First part of the keys of what ops printed, which Dagster stores in the bucket of the results."""


CANDLES, LOCKS = "candles", "locks"
"""The same of candles in a bucket, and of the locks of those who write them."""
CACHE = "cache"
"""Folder of DATA_ROOT with copies of what is in a bucket."""


class ObjectEntry(NamedTuple):
    """An object in a listing: its key, its size in bytes, and its modification time (UTC)."""

    key: str
    size: int
    modified: datetime


class IncompleteWrite(NamedTuple):
    """The remains of an interrupted write, a temporary file or an unfinished upload. Readers never see it.

    Attributes:
        key: Key of the file, or the target key of the upload.
        size: Size in bytes.
        started_at: Last modification of the file, or start of the upload, UTC.
        upload_id: Id of the upload; empty for a file.
    """

    key: str
    size: int
    started_at: datetime
    upload_id: str = ""


class ObjectInfo(NamedTuple):
    """The attributes of an object.

    Attributes:
        size: Size in bytes.
        modified: Modification time, UTC.
        sha256: Hex digest of the stored bytes; None for an object that another program wrote.
        metadata: The metadata that was stored with it.
    """

    size: int
    modified: datetime
    sha256: str | None
    metadata: Mapping[str, str]


class ObjectStore(Protocol):
    """Bytes under keys such as `tasks/ID/result.json`.

    Writes are atomic: an object is complete or absent. Its SHA-256 is stored with it and verified by every read. Every
    method may raise StorageFailed or a subclass.
    """

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store an object.

        Args:
            key: The key.
            data: The bytes.
            overwrite: Whether to replace an existing object. Storing identical bytes again always succeeds.
            metadata: Names and ASCII values to store with the object.

        Raises:
            ObjectExists: The key holds other bytes and `overwrite` is False.
            InvalidInput: The key or the metadata is invalid.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes under a key.

        Raises:
            ObjectNotFound: There is no such object.
            ObjectCorrupt: The bytes differ from those that were stored.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[BufferedIOBase]:
        """Open an object for reading at any position, for objects that should not be in memory as a whole.

        All bytes are verified before the context is entered.

        Raises:
            ObjectNotFound: There is no such object.
            ObjectCorrupt: The bytes differ from those that were stored.
        """
        ...

    def exists(self, key: str) -> bool:
        """Return whether the key holds an object."""
        ...

    def info(self, key: str) -> ObjectInfo:
        """Return the attributes of an object.

        Raises:
            ObjectNotFound: There is no such object.
        """
        ...

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield the objects under the folder `prefix`, or all objects."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; deleting an absent one is not an error."""
        ...

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield the incomplete writes under the folder `prefix` that started before a moment."""
        ...

    def discard(self, leftover: IncompleteWrite) -> None:
        """Remove an incomplete write; removing an absent one is not an error."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if it is unlimited."""
        ...

    def uri(self, key: str) -> str:
        """Return the location of an object for display: a path, or an s3:// URL."""
        ...


def is_key(text: str) -> bool:
    """Return whether `text` is a key: a relative path of plain segments that every store can hold.

    >>> is_key("tasks/123/result.json"), is_key("../etc/passwd")
    (True, False)
    """
    parts = text.split("/")
    return (
        all(_SEGMENT.fullmatch(part) and len(part.encode()) <= _MAX_SEGMENT_BYTES for part in parts)
        and len(text.encode()) <= _MAX_KEY_BYTES
    )


def check_key(key: str) -> str:
    """Return `key` if it is valid.

    Raises:
        InvalidInput: The key is invalid.
    """
    if not is_key(key):
        message = (
            f"{key[:80]!r} is not an object key; use a relative path without '..' or names that begin with a dot,"
            f" of at most {_MAX_KEY_BYTES} bytes, {_MAX_SEGMENT_BYTES} for each name"
        )
        raise InvalidInput([Problem("key", message)])
    return key


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return metadata that every store can hold.

    Raises:
        InvalidInput: A name or value is invalid, or the metadata is too large.
    """
    checked = dict(metadata or {})
    problems = [
        Problem(f"metadata.{name}", "takes a name of lower-case letters, digits, - and _, and a value in ASCII")
        for name, value in checked.items()
        if name == SHA256 or not (_METADATA_NAME.fullmatch(name) and _METADATA_VALUE.fullmatch(value))
    ]
    if sum(len(name) + len(value) for name, value in checked.items()) > _MAX_METADATA_BYTES:
        problems.append(Problem("metadata", f"is larger than {_MAX_METADATA_BYTES:,} bytes"))
    if problems:
        raise InvalidInput(problems)
    return checked


def sha256_hex(data: "ReadableBuffer") -> str:
    """Return the SHA-256 of `data` as a hex string."""
    digest = hashlib.sha256()
    for piece in pieces(data):
        digest.update(piece)
    return digest.hexdigest()


def verify_sha256(key: str, data: bytes, sha256: str | None) -> bytes:
    """Return `data` if it matches its digest; without a digest it cannot be verified and is returned as it is.

    Raises:
        ObjectCorrupt: The digest does not match.
    """
    if sha256 is not None and sha256_hex(data) != sha256:
        raise _mismatch(key, len(data))
    return data


def verify_file(key: str, file: BufferedIOBase, sha256: str | None) -> None:
    """Verify the content of a file as `verify_sha256` does, and return to its start."""
    file.seek(0)
    if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise _mismatch(key, file.seek(0, SEEK_END))
    file.seek(0)


def _mismatch(key: str, size: int) -> ObjectCorrupt:
    return ObjectCorrupt(key, f"SHA-256 mismatch: the {size:,} bytes read are not those that were stored")
