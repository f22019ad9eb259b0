"""Backups in a bucket, under a prefix."""

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from coin_pipeline.backup.folder import LOCK
from coin_pipeline.backup.model import FOLDERS
from coin_pipeline.errors import BackupInProgress, CoinError, ObjectNotFound, StorageUnavailable
from coin_pipeline.storage.s3 import MAX_ATTEMPTS, PART_BYTES, S3Store
from coin_pipeline.storage.s3_errors import ABSENT, translate_s3_errors
from coin_pipeline.storage.s3_lock import LockObject

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from botocore.client import BaseClient

LEASE_S = 120
"""Seconds without a sign of life after which a lock counts as abandoned."""
_LARGER_AFTER, _LARGER = 1000, 8
"""S3 allows 10,000 parts; after some of them the parts become larger, which permits files of 1 TB."""
_NO_UPLOAD = {"NoSuchUpload"}


class S3Location:
    """A `Location` in a bucket.

    Args:
        client: A boto3 S3 client.
        bucket: Name of the bucket.
        prefix: Common prefix of all names, without slashes at its ends; empty for none.
        lease_s: Seconds after which the lock of a process that was killed can be taken over.
    """

    def __init__(self, client: "BaseClient", bucket: str, prefix: str = "", lease_s: float = LEASE_S) -> None:
        self._store, self._lease_s = S3Store(client, bucket), lease_s
        self._prefix = f"{prefix}/" if prefix else ""

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """Upload a file in parts; the upload is completed only without an error. See `Location.write`."""
        upload = _Upload(self._store, self._prefix + name)
        try:
            yield cast("BinaryIO", upload)
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; an interrupted download is resumed. See `Location.open`."""
        return cast("BinaryIO", io.BufferedReader(_Download(self._store, self._prefix + name), 2**20))

    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of the files in a folder; see `Location.names`."""
        keys = self._store.keys((self._prefix + prefix).strip("/"))
        return (name for key in keys if (name := key.removeprefix(self._prefix)) != LOCK)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes; see `Location.size`."""
        return self._store.info(self._prefix + name).size

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return self._store.exists(self._prefix + name)

    def delete(self, name: str) -> None:
        """Delete a file; deleting an absent one is not an error."""
        self._store.delete(self._prefix + name)

    def uri(self, name: str = "") -> str:
        """Return the s3:// URL of a file, or of the location."""
        return f"s3://{self._store.bucket}/{self._prefix}{name}".rstrip("/")

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no size limit."""
        return None

    @contextmanager
    def lock(self) -> Iterator[LockObject]:
        """Hold an object that only one process can create; see `Location.lock`."""
        lock = LockObject(self._store, self._prefix + LOCK, self._lease_s, partial(BackupInProgress, self.uri()))
        lock.acquire()
        with lock.held():
            yield lock

    def remove_incomplete(self) -> int:
        """Abort unfinished uploads; see `Location.remove_incomplete`."""
        end_of_time = datetime.max.replace(tzinfo=UTC)
        found = [
            item for folder in FOLDERS for item in self._store.incomplete_writes(self._prefix + folder, end_of_time)
        ]
        for item in found:
            self._store.discard(item)
        return len(found)


class _Upload(io.RawIOBase):
    """A file that is sent in parts while it is written; one that fits into a part is sent in one request."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._key = store, key
        self._buffer, self._parts = bytearray(), list[dict[str, Any]]()
        self._id: str | None = None
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        view = memoryview(data).cast("B")
        self._buffer += view
        self._size += view.nbytes
        while len(self._buffer) > (size := self._part_bytes):
            self._send(bytes(memoryview(self._buffer)[:size]))
            del self._buffer[:size]
        return view.nbytes

    def complete(self) -> None:
        data = bytes(self._buffer)
        if self._id is None:
            self._store.request("put_object", self._key, Body=data, ChecksumSHA256=_checksum(data))
            return
        self._send(data)
        sent = {"UploadId": self._id, "MultipartUpload": {"Parts": self._parts}}
        completed = self._store.request("complete_multipart_upload", self._key, _NO_UPLOAD, **sent)
        if completed is None and not self._is_stored():  # otherwise the response to an earlier attempt was lost
            raise StorageUnavailable(self._key, "the server has lost the upload")

    def _is_stored(self) -> bool:
        head = self._store.request("head_object", self._key, ABSENT)
        return head is not None and head["ContentLength"] == self._size

    def abort(self) -> None:
        if self._id is not None:
            with suppress(CoinError):  # remove_incomplete() of the next backup aborts it
                self._store.request("abort_multipart_upload", self._key, UploadId=self._id)

    @property
    def _part_bytes(self) -> int:
        return PART_BYTES * (_LARGER if len(self._parts) >= _LARGER_AFTER else 1)

    def _send(self, data: bytes) -> None:
        if self._id is None:
            created = self._store.request("create_multipart_upload", self._key, ChecksumAlgorithm="SHA256")
            self._id = created["UploadId"]
        number, checksum = len(self._parts) + 1, _checksum(data)
        part: dict[str, Any] = {"PartNumber": number, "ChecksumSHA256": checksum}
        sent = self._store.request("upload_part", self._key, UploadId=self._id, Body=data, **part)
        self._parts.append({**part, "ETag": sent["ETag"]})


class _Download(io.RawIOBase):
    """An object that is read from its start to its end; an interrupted read continues at its position."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._key, self._position = store, key, 0
        self._etag: str | None = None
        self._body: Any = None
        self._body = self._request()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
        super().close()

    def _read(self, size: int) -> bytes:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with translate_s3_errors(self._key):
                    data: bytes = self._body.read(size)
            except StorageUnavailable:
                if attempt == MAX_ATTEMPTS:
                    raise
                self._body.close()
                self._body = self._request()
            else:
                return data
        raise AssertionError

    def _request(self) -> Any:  # noqa: ANN401 -- boto3's
        again: dict[str, Any] = {"Range": f"bytes={self._position}-", "IfMatch": self._etag} if self._etag else {}
        response = self._store.request("get_object", self._key, ABSENT, **again)
        if response is None:
            raise ObjectNotFound(self._key)
        self._etag = response["ETag"]
        return response["Body"]


def _checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
