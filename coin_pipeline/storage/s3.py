"""Objects in a bucket of S3, or of a server that speaks its protocol."""

import base64
import hashlib
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError

from coin_pipeline.errors import ObjectCorrupt, ObjectExists, ObjectNotFound, StorageUnavailable
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
    verify_sha256,
)
from coin_pipeline.storage.s3_errors import (
    BROKEN_READ,
    error_code,
    has_no_error_body,
    require_s3_response,
    translate_s3_errors,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from botocore.client import BaseClient

T = TypeVar("T")
PART_BYTES = 16 * 2**20
MULTIPART_THRESHOLD_BYTES = 2 * PART_BYTES
"""Up to so many bytes an object is sent at once; a larger one in parts, each with a checksum and retries of its own."""
MAX_ATTEMPTS, RACE_PAUSE_S = 3, 0.05
"""How often a body that breaks off or is damaged is read, and a put that meets another one is sent."""
_TAKEN, _IN_A_RACE = {"PreconditionFailed", "412"}, "ConditionalRequestConflict"
_NOT_THERE, _NO_UPLOAD = {"NoSuchKey"}, {"NoSuchUpload"}
_LISTING = {"ContinuationToken": "NextContinuationToken"}
_UPLOADS = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
_PARTS = {"PartNumberMarker": "NextPartNumberMarker"}
"""What says where the next page of a list begins, and how the page before calls it."""


class S3Store:
    """An ObjectStore in a bucket; `client` is one of boto3's for S3, which threads may share.

    A body that breaks off is read again only in the first `read_budget_s` seconds of a read.
    """

    def __init__(self, client: "BaseClient", bucket: str, read_budget_s: float = math.inf) -> None:
        self.bucket = bucket
        self.client: Any = client
        self._read_budget_s = read_budget_s

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        check_key(key)
        view = memoryview(data)
        digest = sha256_hex(view)
        only_new = {} if overwrite else {"IfNoneMatch": "*"}
        about = {"Metadata": {**check_metadata(metadata), _SHA256: digest}}
        send = self._send if view.nbytes <= MULTIPART_THRESHOLD_BYTES else self._send_parts
        try:
            self._do(key, lambda: _decided(lambda: send(key, view, about, only_new)))
        except _Taken:
            if (self.info(key).sha256 or sha256_hex(self.get(key))) != digest:
                raise ObjectExists(key) from None

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`, or raise ObjectNotFound, or ObjectCorrupt if they are not those put."""
        check_key(key)
        return self._do(key, lambda: self._read(key))

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        try:
            self.info(key)
        except ObjectNotFound:
            return False
        return True

    def info(self, key: str) -> ObjectInfo:
        """Return what is known of the object under `key`, or raise ObjectNotFound."""
        check_key(key)
        head = self._do(key, lambda: self._head(key))
        metadata = dict(head["Metadata"])
        return ObjectInfo(head["ContentLength"], head["LastModified"], metadata.pop(_SHA256, None), metadata)

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield what lies below the folder `prefix`."""
        below = f"{check_key(prefix)}/" if prefix else ""
        for page in self._pages(prefix, partial(self._ask, "list_objects_v2"), _LISTING, Prefix=below):
            for found in page.get("Contents", []):
                if is_key(found["Key"]):  # not what consoles put there to show a folder
                    yield ObjectEntry(found["Key"], found["Size"], found["LastModified"])

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        return (entry.key for entry in self.entries(prefix))

    def delete(self, key: str) -> None:
        """Remove `key`; one that is absent is not an error."""
        check_key(key)
        self._do(key, lambda: self._ask("delete_object", Key=key))

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield uploads to keys below the folder `prefix` that began before a moment and are not complete."""
        ask = partial(self._ask, "list_multipart_uploads")
        for page in self._pages(prefix, ask, _UPLOADS, Prefix=f"{check_key(prefix)}/"):
            for upload in page.get("Uploads", []):
                if upload["Initiated"] < before:
                    size = self._uploaded(upload["Key"], upload["UploadId"])
                    yield IncompleteWrite(upload["Key"], size, upload["Initiated"], upload["UploadId"])

    def discard(self, leftover: IncompleteWrite) -> None:
        """Abort an upload; one that is gone already is not an error."""
        self._do(leftover.key, lambda: self._of_upload("abort_multipart_upload", leftover.key, leftover.upload_id))

    def free_bytes(self) -> int | None:
        """Return None: a bucket takes whatever is paid for."""
        return None

    def uri(self, key: str) -> str:
        """Return the s3:// URL of `key`."""
        return f"s3://{self.bucket}/{check_key(key)}"

    def _send(self, key: str, view: memoryview, about: dict[str, Any], only_new: dict[str, str]) -> None:
        digest = base64.b64encode(hashlib.sha256(view).digest()).decode()
        with _telling_taken():
            self._ask("put_object", Key=key, Body=io.BytesIO(view), ChecksumSHA256=digest, **about, **only_new)

    def _send_parts(self, key: str, view: memoryview, about: dict[str, Any], only_new: dict[str, str]) -> None:
        begun = self._ask("create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256", **about)
        upload = {"Key": key, "UploadId": begun["UploadId"]}
        try:
            parts = [
                self._send_part(upload, number, view[begin : begin + PART_BYTES])
                for number, begin in enumerate(range(0, view.nbytes, PART_BYTES), start=1)
            ]
            with _telling_taken():
                self._ask("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}, **only_new)
        except BaseException as error:
            # The upload is gone too where it was completed by a request whose answer was lost.
            if _is(error, _NO_UPLOAD) and self._holds(key, about["Metadata"][_SHA256]):
                return
            self._abort(upload)
            raise

    def _send_part(self, upload: dict[str, str], number: int, piece: memoryview) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        sent = self._ask("upload_part", **upload, PartNumber=number, Body=io.BytesIO(piece), ChecksumSHA256=digest)
        return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": digest}

    def _holds(self, key: str, digest: str) -> bool:
        try:
            return bool(self._head(key)["Metadata"].get(_SHA256) == digest)
        except ObjectNotFound:
            return False

    def _abort(self, upload: dict[str, str]) -> None:
        with suppress(ClientError, BotoCoreError):  # the rule that `coin storage init` sets ends it after a day
            self._ask("abort_multipart_upload", **upload)

    def _read(self, key: str) -> bytes:
        """Read an object, from its beginning again where it breaks off or arrives damaged."""
        deadline = time.monotonic() + self._read_budget_s
        for attempt in range(1, MAX_ATTEMPTS + 1):
            answer = self._open(key, ChecksumMode="ENABLED")
            try:
                return verify_sha256(key, answer["Body"].read(), answer["Metadata"].get(_SHA256))
            except (*BROKEN_READ, FlexibleChecksumError, ObjectCorrupt):
                if attempt == MAX_ATTEMPTS or time.monotonic() > deadline:
                    raise
        raise AssertionError

    def _pages(
        self, where: str, ask: Callable[..., Any], markers: Mapping[str, str], **arguments: str
    ) -> Iterator[Any]:
        """Yield the pages of a list, each asked for again where it fails: an iterator of boto3's would end there."""
        after: dict[str, str] | None = {}
        while after is not None:
            page = self._do(where, partial(ask, **arguments, **after))
            yield page
            after = {name: page[told] for name, told in markers.items()} if page["IsTruncated"] else None

    def _uploaded(self, key: str, upload: str) -> int:
        """Return how many bytes of an upload have arrived."""
        pages = self._pages(key, partial(self._of_upload, "list_parts", key, upload), _PARTS)
        return sum(part["Size"] for page in pages for part in page.get("Parts", []))

    def _of_upload(self, operation: str, key: str, upload: str, **more: str) -> Any:  # noqa: ANN401 -- boto3's
        """Ask something of an upload; one that has ended meanwhile has no parts, and an end is all it could get."""
        try:
            return self._ask(operation, Key=key, UploadId=upload, **more)
        except ClientError as error:
            if error_code(error) not in _NO_UPLOAD:
                raise
        return {"IsTruncated": False}

    def _open(self, key: str, **options: str) -> Any:  # noqa: ANN401
        try:
            return self._ask("get_object", Key=key, **options)
        except ClientError as error:
            if error_code(error) not in _NOT_THERE:
                raise
        raise ObjectNotFound(key)

    def _head(self, key: str) -> Any:  # noqa: ANN401
        try:
            return self._ask("head_object", Key=key)
        except ClientError as error:
            if not has_no_error_body(error):
                raise
        self._open(key)["Body"].close()  # answered alike, with a reason, such as a missing bucket: a HEAD has no body
        return self._ask("head_object", Key=key)  # it has come meanwhile

    def _ask(self, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 -- boto3's
        return require_s3_response(operation, getattr(self.client, operation)(Bucket=self.bucket, **arguments))

    def _do(self, key: str, work: Callable[[], T]) -> T:
        """Do something that may be done twice: again while the store is away, if the thread is patient."""

        def once() -> T:
            with translate_s3_errors(self.uri(key) if key else f"s3://{self.bucket}"):
                return work()

        return retry_until_available(once, lambda error: isinstance(error, StorageUnavailable))


def _decided(send: Callable[[], None]) -> None:
    """Send again what S3 has not decided on because of another request to the same key."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return send()
        except ClientError as error:
            if error_code(error) != _IN_A_RACE or attempt == MAX_ATTEMPTS:
                raise
        time.sleep(RACE_PAUSE_S * attempt)
    raise AssertionError


@contextmanager
def _telling_taken() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) in _TAKEN:
            raise _Taken from error
        raise


def _is(error: BaseException, codes: set[str]) -> bool:
    return isinstance(error, ClientError) and error_code(error) in codes


class _Taken(Exception):
    """A key that is to be new is not."""
