"""ObjectStore over a bucket on S3 or on an S3-compatible server."""

import base64
import hashlib
import math
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from io import BufferedIOBase, BytesIO
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError

from coin_pipeline.errors import (
    ObjectChanged,
    ObjectCorrupt,
    ObjectExists,
    ObjectNotFound,
    StorageUnavailable,
    StorageUnsupported,
)
from coin_pipeline.liveness import report_progress
from coin_pipeline.retry import retry_until_available
from coin_pipeline.storage.base import SHA256 as _SHA256
from coin_pipeline.storage.base import (
    IncompleteWrite,
    ObjectEntry,
    ObjectInfo,
    check_key,
    check_metadata,
    is_key,
    sha256_hex,
    verify_file,
    verify_sha256,
)
from coin_pipeline.storage.s3_errors import (
    ABSENT,
    BROKEN_READ,
    error_code,
    has_no_error_body,
    require_s3_response,
    translate_s3_errors,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from botocore.client import BaseClient

S = TypeVar("S")
T = TypeVar("T")
_CHUNK_BYTES = 2**20
PART_BYTES = 16 * 2**20
MULTIPART_THRESHOLD_BYTES = 2 * PART_BYTES
"""Largest object that is sent in one request; larger ones are sent in parts, each with its own checksum and retries."""
MAX_ATTEMPTS, RACE_PAUSE_S = 3, 0.05
"""Maximum attempts to read an interrupted or damaged body, or to put an object that another client is writing."""
_PRECONDITION_FAILED, _RACE = {"PreconditionFailed", "412"}, "ConditionalRequestConflict"
_NO_KEY, _NO_UPLOAD = {"NoSuchKey"}, {"NoSuchUpload"}
# Request arguments of the next page of a listing, and the response fields they are read from.
_OBJECT_MARKERS = {"ContinuationToken": "NextContinuationToken"}
_UPLOAD_MARKERS = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
_PART_MARKERS = {"PartNumberMarker": "NextPartNumberMarker"}


class ObjectVersion(NamedTuple):
    """An object in a listing: its key, its size in bytes, its modification time (UTC), and the ETag of its content."""

    key: str
    size: int
    modified: datetime
    etag: str


class S3Store:
    """An ObjectStore in a bucket.

    Args:
        client: A boto3 S3 client; threads may share it.
        bucket: Name of the bucket.
        read_budget_s: An interrupted read starts over only within this many seconds of its start.
        folder: Folder of the bucket that holds the objects, without a slash at the end; empty for the whole bucket.
    """

    def __init__(self, client: "BaseClient", bucket: str, read_budget_s: float = math.inf, folder: str = "") -> None:
        self.bucket = bucket
        self.client: Any = client
        self._read_budget_s = read_budget_s
        self._prefix = f"{folder}/" if folder else ""

    def __str__(self) -> str:
        """Return the s3:// URL of the bucket or of the folder."""
        return f"s3://{self.bucket}/{self._prefix}".rstrip("/")

    def folder(self, name: str) -> "S3Store":
        """Return the store of a folder, with the same connections."""
        return S3Store(self.client, self.bucket, self._read_budget_s, self._prefix + name)

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store an object; see `ObjectStore.put`."""
        if not self._put(key, data, {} if overwrite else {"IfNoneMatch": "*"}, metadata):
            raise ObjectExists(key)

    def replace(self, key: str, data: "ReadableBuffer", etag: str | None) -> None:
        """Store an object in place of one version.

        Args:
            key: The key.
            data: The bytes.
            etag: ETag of the version to replace; None to create an object.

        Raises:
            ObjectChanged: The key holds another version, or none.
        """
        if not self._put(key, data, {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}):
            raise ObjectChanged(key)

    def get(self, key: str) -> bytes:
        """Return the bytes under a key, verified against their digest; see `ObjectStore.get`."""
        check_key(key)
        return self._retry(key, lambda: self._read(key, _receive_whole, partial(verify_sha256, key)))

    def get_parts(
        self, key: str, start: int, sizes: Sequence[int], etag: str, receive: Callable[[int, bytes], None]
    ) -> None:
        """Read adjacent parts of one version of an object in one request.

        They are not verified: the digest of the object is that of all its bytes.

        Args:
            key: The key.
            start: Position of the first part.
            sizes: Size of each part, bytes.
            etag: ETag of the version.
            receive: Called with the number and the bytes of each part on arrival; from the first part again if an
                interrupted read starts over.

        Raises:
            ObjectChanged: The key holds another version, or none.
        """
        check_key(key)
        options = {"Range": f"bytes={start}-{start + sum(sizes) - 1}", "IfMatch": etag}

        def receive_all(response: Any) -> None:  # noqa: ANN401 -- boto3's
            with response["Body"] as body:
                _require_size(key, sum(sizes), response["ContentLength"])
                for number, size in enumerate(sizes):
                    data = body.read(size)
                    _require_size(key, size, len(data))
                    receive(number, data)

        try:
            self._retry(key, lambda: self._read(key, receive_all, lambda _, __: None, options))
        except (_KeyTaken, ObjectNotFound):
            raise ObjectChanged(key) from None

    @contextmanager
    def open(self, key: str) -> Iterator[BufferedIOBase]:
        """Open an object for reading, copied to a temporary file; see `ObjectStore.open`."""
        check_key(key)
        with TemporaryFile() as file:
            self._retry(key, lambda: self._read(key, partial(_copy, file), partial(verify_file, key)))
            yield file

    def exists(self, key: str) -> bool:
        """Return whether the key holds an object."""
        try:
            self.info(key)
        except ObjectNotFound:
            return False
        return True

    def holds(self, key: str, digest: str) -> bool:
        """Return whether the key holds an object with this SHA-256, in hexadecimal digits."""
        try:
            return (self.info(key).sha256 or sha256_hex(self.get(key))) == digest
        except ObjectNotFound:
            return False

    def info(self, key: str) -> ObjectInfo:
        """Return the attributes of an object, or raise ObjectNotFound."""
        check_key(key)
        head = self._retry(key, lambda: self._head(key))
        metadata = dict(head["Metadata"])
        return ObjectInfo(head["ContentLength"], head["LastModified"], metadata.pop(_SHA256, None), metadata)

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield the objects under the folder `prefix`, or all objects."""
        return (ObjectEntry(key, size, modified) for key, size, modified, _ in self.versions(prefix))

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """Yield the objects under the folder `prefix`, or all objects, with their ETags."""
        below = f"{check_key(prefix)}/" if prefix else ""
        for page in self._pages(prefix, partial(self._call, "list_objects_v2"), _OBJECT_MARKERS, Prefix=below):
            for item in page.get("Contents", []):
                key = item["Key"].removeprefix(self._prefix)
                if is_key(key):  # skips the placeholders that consoles create for folders
                    yield ObjectVersion(key, item["Size"], item["LastModified"], item["ETag"])

    def folders(self) -> Iterator[str]:
        """Yield the names of the folders at the top."""
        fetch = partial(self._call, "list_objects_v2")
        for page in self._pages("", fetch, _OBJECT_MARKERS, Prefix="", Delimiter="/"):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"].removeprefix(self._prefix).rstrip("/")

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        return (entry.key for entry in self.entries(prefix))

    def delete(self, key: str, etag: str | None = None) -> None:
        """Delete an object; deleting an absent one is not an error.

        Args:
            key: The key.
            etag: Delete only this version, on a server that supports `If-Match` on deletions; others delete any.

        Raises:
            ObjectChanged: The key holds another version.
        """
        check_key(key)
        condition = {"IfMatch": etag} if etag else {}

        def attempt() -> None:
            with _detect_existing():
                self._call("delete_object", Key=key, **condition)

        try:
            self._retry(key, attempt)
        except _KeyTaken:
            raise ObjectChanged(key) from None

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield incomplete uploads to keys under the folder `prefix` that started before a moment.

        A store that cannot list uploads has none that could be aborted.
        """
        fetch = partial(self._call, "list_multipart_uploads")
        with suppress(StorageUnsupported):
            for page in self._pages(prefix, fetch, _UPLOAD_MARKERS, Prefix=f"{check_key(prefix)}/"):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < before:
                        key = upload["Key"].removeprefix(self._prefix)
                        size = self._uploaded_bytes(key, upload["UploadId"])
                        yield IncompleteWrite(key, size, upload["Initiated"], upload["UploadId"])

    def discard(self, leftover: IncompleteWrite) -> None:
        """Abort an upload; aborting an absent one is not an error."""
        self._retry(leftover.key, lambda: self._call_upload("abort_multipart_upload", leftover.key, leftover.upload_id))

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no size limit."""
        return None

    def uri(self, key: str) -> str:
        """Return the s3:// URL of an object."""
        return f"{self}/{check_key(key)}"

    def request(self, operation: str, key: str, tolerated: Container[str] = (), **arguments: Any) -> Any:  # noqa: ANN401 -- boto3's
        """Send an idempotent request; it is repeated while the server is away, if the thread tolerates outages.

        Args:
            operation: Name of boto3's method.
            key: Key of the object.
            tolerated: Codes of expected errors.
            arguments: Further arguments of the method.

        Returns:
            The response, or None after a tolerated error.
        """

        def attempt() -> object:
            try:
                return self._call(operation, Key=key, **arguments)
            except ClientError as error:
                if error_code(error) not in tolerated:
                    raise
            return None

        return self._retry(key, attempt)

    def _put(
        self, key: str, data: "ReadableBuffer", condition: dict[str, str], metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Store an object on a condition; return whether the key holds its bytes now."""
        check_key(key)
        view = memoryview(data)
        digest = sha256_hex(data)
        attributes = {"Metadata": {**check_metadata(metadata), _SHA256: digest}}
        send = self._send if view.nbytes <= MULTIPART_THRESHOLD_BYTES else self._send_parts
        try:
            self._retry(key, lambda: _retry_race(lambda: send(key, view, attributes, condition)))
        except _KeyTaken:
            return self.holds(key, digest)  # it may have been stored although the response was lost
        return True

    def _send(self, key: str, view: memoryview, attributes: dict[str, Any], condition: dict[str, str]) -> None:
        digest = base64.b64encode(hashlib.sha256(view).digest()).decode()
        with _detect_existing(replaces="IfMatch" in condition):
            self._call("put_object", Key=key, Body=BytesIO(view), ChecksumSHA256=digest, **attributes, **condition)

    def _send_parts(self, key: str, view: memoryview, attributes: dict[str, Any], condition: dict[str, str]) -> None:
        created = self._call("create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256", **attributes)
        upload = {"Key": key, "UploadId": created["UploadId"]}
        try:
            parts = [
                self._send_part(upload, number, view[start : start + PART_BYTES])
                for number, start in enumerate(range(0, view.nbytes, PART_BYTES), start=1)
            ]
            with _detect_existing(replaces="IfMatch" in condition):
                self._call("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException as error:
            # The upload is also gone if a completed request lost its response.
            if _has_code(error, _NO_UPLOAD) and self._holds(key, attributes["Metadata"][_SHA256]):
                return
            self._abort(upload)
            raise

    def _send_part(self, upload: dict[str, str], number: int, chunk: memoryview) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        sent = self._call("upload_part", **upload, PartNumber=number, Body=BytesIO(chunk), ChecksumSHA256=digest)
        return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": digest}

    def _holds(self, key: str, digest: str) -> bool:
        try:
            return bool(self._head(key)["Metadata"].get(_SHA256) == digest)
        except ObjectNotFound:
            return False

    def _abort(self, upload: dict[str, str]) -> None:
        with suppress(ClientError, BotoCoreError):  # the lifecycle rule of `coin storage init` aborts it after a day
            self._call("abort_multipart_upload", **upload)

    def _read(
        self,
        key: str,
        receive: Callable[[Any], S],
        verify: Callable[[S, str | None], T],
        options: Mapping[str, str] = MappingProxyType({"ChecksumMode": "ENABLED"}),
    ) -> T:
        """Read an object; an interrupted or damaged read starts over."""
        deadline = time.monotonic() + self._read_budget_s
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with _detect_existing():
                response = self._open(key, **options)
            try:
                return verify(receive(response), response["Metadata"].get(_SHA256))
            except (*BROKEN_READ, FlexibleChecksumError, ObjectCorrupt):
                if attempt == MAX_ATTEMPTS or time.monotonic() > deadline:
                    raise
        raise AssertionError

    def _pages(
        self, where: str, fetch: Callable[..., Any], markers: Mapping[str, str], **arguments: str
    ) -> Iterator[Any]:
        """Yield the pages of a listing, retrying each one; boto3's paginator would end at the first error."""
        after: dict[str, str] | None = {}
        while after is not None:
            page = self._retry(where, partial(fetch, **arguments, **after))
            yield page
            after = {name: page[field] for name, field in markers.items()} if page["IsTruncated"] else None

    def _uploaded_bytes(self, key: str, upload: str) -> int:
        """Return the number of bytes that the store has received of an upload."""
        pages = self._pages(key, partial(self._call_upload, "list_parts", key, upload), _PART_MARKERS)
        return sum(part["Size"] for page in pages for part in page.get("Parts", []))

    def _call_upload(self, operation: str, key: str, upload: str, **arguments: str) -> Any:  # noqa: ANN401 -- boto3's
        """Call an operation on an upload. An upload that has just ended has no parts left, and needs no abort."""
        try:
            return self._call(operation, Key=key, UploadId=upload, **arguments)
        except ClientError as error:
            if error_code(error) not in _NO_UPLOAD:
                raise
        return {"IsTruncated": False}

    def _open(self, key: str, **options: str) -> Any:  # noqa: ANN401
        try:
            return self._call("get_object", Key=key, **options)
        except ClientError as error:
            if error_code(error) not in _NO_KEY:
                raise
        raise ObjectNotFound(key)

    def _head(self, key: str) -> Any:  # noqa: ANN401
        try:
            return self._call("head_object", Key=key)
        except ClientError as error:
            if not has_no_error_body(error):
                raise
        # A HEAD response has no body; the GET fails with the reason, such as a missing bucket.
        self._open(key)["Body"].close()
        return self._call("head_object", Key=key)  # it was created in the meantime

    def _call(self, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 -- boto3's
        names = {name: self._prefix + arguments[name] for name in ("Key", "Prefix") if name in arguments}
        send = getattr(self.client, operation)
        response = require_s3_response(operation, send(Bucket=self.bucket, **arguments | names))
        report_progress()
        return response

    def _retry(self, key: str, work: Callable[[], T]) -> T:
        """Run an idempotent request, and retry it while the store is unavailable if the thread tolerates outages."""

        def attempt() -> T:
            with translate_s3_errors(self.uri(key) if key else str(self)):
                return work()

        return retry_until_available(attempt, lambda error: isinstance(error, StorageUnavailable))


def _require_size(key: str, size: int, sent: int) -> None:
    if sent != size:
        raise ObjectCorrupt(key, f"the store sent {sent:,} bytes, not the {size:,} of the requested range")


def _receive_whole(response: Any) -> bytes:  # noqa: ANN401 -- boto3's
    content: bytes = response["Body"].read()
    return content


def _copy(file: BufferedIOBase, response: Any) -> BufferedIOBase:  # noqa: ANN401 -- boto3's
    """Replace the content of a file by the body of a response."""
    file.seek(0)
    file.truncate()
    file.writelines(response["Body"].iter_chunks(_CHUNK_BYTES))
    return file


def _retry_race(send: Callable[[], None]) -> None:
    """Repeat a request that S3 rejected because of a concurrent request to the same key."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return send()
        except ClientError as error:
            if error_code(error) != _RACE or attempt == MAX_ATTEMPTS:
                raise
        time.sleep(RACE_PAUSE_S * attempt)
    raise AssertionError


@contextmanager
def _detect_existing(*, replaces: bool = False) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) in _PRECONDITION_FAILED or (replaces and error_code(error) in ABSENT):
            raise _KeyTaken from error
        raise


def _has_code(error: BaseException, codes: set[str]) -> bool:
    return isinstance(error, ClientError) and error_code(error) in codes


class _KeyTaken(Exception):
    """The key holds an object already, or another version than the requested one."""
