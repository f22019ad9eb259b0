"""Translation of boto3's errors into this project's error family."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 -- botocore's
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from coin_pipeline.errors import (
    CoinError,
    ObjectCorrupt,
    StorageForbidden,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    StorageUnsupported,
)

BROKEN_READ = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
FORBIDDEN = ("AccessDenied", "403")
UNSUPPORTED = ("NotImplemented", "MethodNotAllowed", "501", "405")
_NO_BUCKET = "the bucket does not exist; correct AWS_BUCKET_NAME, or create it with 'coin storage init'"
_FORBIDDEN = "the credentials lack permission; grant them the policy that 'coin storage policy' prints"
_ADVICE = {
    "NoSuchBucket": _NO_BUCKET,
    "BucketAlreadyExists": "the bucket name is taken by another account; choose another AWS_BUCKET_NAME",
    "InvalidAccessKeyId": f"the access key is unknown; {_KEYS} to those of this store",
    "SignatureDoesNotMatch": f"the secret key does not match the access key; {_KEYS} to those of this store",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the session token is invalid; renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; correct it",
    "InvalidBucketName": "the bucket name is invalid; correct AWS_BUCKET_NAME",
}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"}
_SLOW = ("SlowDown", "Throttling", "TooManyRequests", "ServiceUnavailable", "429", "503")
_DAMAGED = "the data was damaged on the way to the store"
_RACE = "another request to the same object is in progress"
_TRANSIENT = {
    **{code: f"it asks to slow down ({code})" for code in _SLOW},
    "BadDigest": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "XAmzContentChecksumMismatch": _DAMAGED,
    "ConditionalRequestConflict": _RACE,
    "OperationAborted": _RACE,
    "NoSuchUpload": "another client ended the upload",
    "RequestTimeout": "the data was sent too slowly",
}
_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted; set AWS_CA_BUNDLE to its authority's certificate",
    "WRONG_VERSION_NUMBER": "it does not use TLS; change AWS_ENDPOINT_URL to http://",
}
ABSENT = frozenset(("NoSuchKey", "404"))
"""Codes of a server that does not have an object; a response without a body has the number only."""
_FIRST_CLIENT_ERROR, _NOT_FOUND, _FIRST_SERVER_ERROR = 400, 404, 500
_NOT_S3 = "the response is not from S3 ({}); if this persists, correct AWS_ENDPOINT_URL"
_EXPECTED = {
    "get_object": ("ETag", "LastModified"),
    "head_object": ("ETag", "LastModified", "ContentLength"),
    "put_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "complete_multipart_upload": ("ETag",),
    **dict.fromkeys(("list_objects_v2", "list_multipart_uploads", "list_parts"), ("IsTruncated",)),
}
"""Fields that S3 sets in every successful response, and that a gateway's own page lacks."""


class NotAnS3Response(Exception):
    """A proxy or gateway responded instead of the store."""


@contextmanager
def translate_s3_errors(where: str) -> Iterator[None]:
    """Translate boto3's errors into this project's storage errors; the messages contain no secrets.

    Args:
        where: What the error message calls the bucket or object.

    Raises:
        ObjectCorrupt: The checksum of the bytes is wrong.
        StorageFull: The quota is exhausted.
        StorageRefused: The request will fail until a setting or permission changes.
        StorageUnavailable: A retry may succeed.
    """
    try:
        yield
    except ClientError as error:
        raise _from_client_error(where, error) from error
    except FlexibleChecksumError as error:
        raise ObjectCorrupt(where, "its checksum differs from the one in the store") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageRefused(where, f"no credentials were found; {_KEYS}") from error
    except SSLError as error:
        reason = next((advice for code, advice in _TLS.items() if code in str(error)), None)
        raise (StorageRefused(where, reason) if reason else StorageUnavailable(where, _one_line(error))) from error
    except EndpointConnectionError as error:
        hint = "check AWS_ENDPOINT_URL and that the server is running"
        raise StorageUnavailable(where, f"{_one_line(error)} ({hint})") from error
    except (ConnectionError, HTTPClientError, *BROKEN_READ) as error:
        raise StorageUnavailable(where, _one_line(error)) from error
    except (NotAnS3Response, ResponseParserError) as error:
        reason = str(error) if isinstance(error, NotAnS3Response) else "it cannot be parsed"
        raise StorageUnavailable(where, _NOT_S3.format(reason)) from error
    except RecursionError as error:  # boto3 asks a server that redirects everything for the region again and again
        raise StorageUnavailable(where, _NOT_S3.format("it redirects")) from error
    except BotoCoreError as error:  # a malformed setting, such as an unknown profile
        raise StorageRefused(where, _one_line(error)) from error


def require_s3_response(operation: str, response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response if it is S3's own response to a successful operation.

    Raises:
        NotAnS3Response: A field is missing that S3 always sets.
    """
    missing = [name for name in _EXPECTED.get(operation, ()) if name not in response]
    if missing:
        raise NotAnS3Response(f"it has no {missing[0]}")
    return response


def error_code(error: ClientError) -> str:
    """Return the code of an error, or the HTTP status as text if the response had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def has_no_error_body(error: ClientError) -> bool:
    """Return whether the store rejected a request without giving a reason."""
    code = error_code(error)
    return code.isdigit() and _FIRST_CLIENT_ERROR <= int(code) < _FIRST_SERVER_ERROR


def _from_client_error(where: str, error: ClientError) -> CoinError:
    code, details = error_code(error), error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 0)
    if code in ("", str(status)) and code not in _REGION and (status < _FIRST_CLIENT_ERROR or status == _NOT_FOUND):
        return StorageUnavailable(where, _NOT_S3.format(f"{status} without a reason"))
    if known := _known_refusal(where, code):
        return known
    if code in _REGION:
        region = details.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        return StorageRefused(where, f"it is in another region; set AWS_REGION{f' to {region}' if region else ''}")
    if code in _FULL:
        return StorageFull(where, details.get("Message") or code)
    if code in _TRANSIENT or status >= _FIRST_SERVER_ERROR:
        return StorageUnavailable(where, _TRANSIENT.get(code) or f"it returned {status} ({code})")
    return StorageRefused(where, f"it returned {status} {code}: {details.get('Message') or 'no reason given'}")


def _known_refusal(where: str, code: str) -> StorageRefused | None:
    """Return the error for a code that stands for one setting or permission, or None."""
    if code in FORBIDDEN:
        return StorageForbidden(where, _FORBIDDEN)
    if code in UNSUPPORTED and not code.isdigit():  # a bare status may be a gateway's
        return StorageUnsupported(where)
    return StorageRefused(where, _ADVICE[code]) if code in _ADVICE else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
