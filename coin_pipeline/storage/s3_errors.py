"""What S3 and the way to it say when something is wrong, in this project's words."""

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

from coin_pipeline.errors import CoinError, ObjectCorrupt, StorageFull, StorageRefused, StorageUnavailable

BROKEN_READ = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
FORBIDDEN = ("AccessDenied", "403")
UNSUPPORTED = ("NotImplemented", "MethodNotAllowed", "501", "405")
_NO_BUCKET = "there is no such bucket; correct AWS_BUCKET_NAME, or make it with 'coin storage init'"
_FORBIDDEN = "the credentials do not permit it; give them the policy that 'coin storage policy' prints"
_ADVICE = {
    "NoSuchBucket": _NO_BUCKET,
    **dict.fromkeys(FORBIDDEN, _FORBIDDEN),
    "BucketAlreadyExists": "somebody else has a bucket of that name; choose another AWS_BUCKET_NAME",
    "InvalidAccessKeyId": f"the access key is not known; {_KEYS} to those of this store",
    "SignatureDoesNotMatch": f"the secret key is not that of the access key; {_KEYS} to those of this store",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the session token is not valid; renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it right",
    "InvalidBucketName": "that is not a bucket name; correct AWS_BUCKET_NAME",
}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"}
_SLOW = ("SlowDown", "Throttling", "TooManyRequests", "ServiceUnavailable", "429", "503")
_DAMAGED = "what was sent arrived damaged"
_IN_A_RACE = "another request to it is under way"
_PASSING = {
    **{code: f"it asks to slow down ({code})" for code in _SLOW},
    "BadDigest": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "XAmzContentChecksumMismatch": _DAMAGED,
    "ConditionalRequestConflict": _IN_A_RACE,
    "OperationAborted": _IN_A_RACE,
    "NoSuchUpload": "the upload was ended by somebody else",
    "RequestTimeout": "what was sent came too slowly",
}
_NOT_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted; name the authority's in AWS_CA_BUNDLE",
    "WRONG_VERSION_NUMBER": "it does not speak TLS; correct AWS_ENDPOINT_URL to http://",
}
_FIRST_CLIENT_ERROR, _NOT_FOUND, _FIRST_SERVER_ERROR = 400, 404, 500
_NOT_S3 = "the answer is not one of S3's ({}); if it stays so, correct AWS_ENDPOINT_URL"
_TOLD = {
    "get_object": ("ETag", "LastModified"),
    "head_object": ("ETag", "LastModified", "ContentLength"),
    "put_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "complete_multipart_upload": ("ETag",),
    **dict.fromkeys(("list_objects_v2", "list_multipart_uploads", "list_parts"), ("IsTruncated",)),
}
"""What S3 says in each answer to a request that succeeded, and a gateway with a page of its own does not."""


class NotAnS3Response(Exception):
    """Something between here and the store has answered in its place."""


@contextmanager
def translate_s3_errors(where: str) -> Iterator[None]:
    """Turn what boto3 raises into errors of this project that name the place `where`, and no secret."""
    try:
        yield
    except ClientError as error:
        raise _refusal(where, error) from error
    except FlexibleChecksumError as error:
        raise ObjectCorrupt(where, "its checksum is not the one that the store keeps with it") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageRefused(where, f"there are no credentials for it; {_KEYS}") from error
    except SSLError as error:
        reason = next((says for code, says in _NOT_TLS.items() if code in str(error)), None)
        raise (StorageRefused(where, reason) if reason else StorageUnavailable(where, _sentence(error))) from error
    except EndpointConnectionError as error:
        hint = "see that AWS_ENDPOINT_URL is right and the server runs"
        raise StorageUnavailable(where, f"{_sentence(error)} ({hint})") from error
    except (ConnectionError, HTTPClientError, *BROKEN_READ) as error:
        raise StorageUnavailable(where, _sentence(error)) from error
    except (NotAnS3Response, ResponseParserError) as error:
        reason = str(error) if isinstance(error, NotAnS3Response) else "it cannot be read"
        raise StorageUnavailable(where, _NOT_S3.format(reason)) from error
    except RecursionError as error:  # boto3's, which asks a bucket that redirects everything for its region for ever
        raise StorageUnavailable(where, _NOT_S3.format("it redirects")) from error
    except BotoCoreError as error:  # a malformed setting: an unknown profile, an impossible endpoint
        raise StorageRefused(where, _sentence(error)) from error


def require_s3_response(operation: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer in which S3 says that an operation succeeded, or raise NotOfS3."""
    missing = [name for name in _TOLD.get(operation, ()) if name not in answer]
    if missing:
        raise NotAnS3Response(f"it has no {missing[0]}")
    return answer


def error_code(error: ClientError) -> str:
    """Return the code of an error, which is the bare HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def has_no_error_body(error: ClientError) -> bool:
    """Tell whether a request was refused without a word why."""
    code = error_code(error)
    return code.isdigit() and _FIRST_CLIENT_ERROR <= int(code) < _FIRST_SERVER_ERROR


def _refusal(where: str, error: ClientError) -> CoinError:
    code, told = error_code(error), error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 0)
    if code in ("", str(status)) and code not in _REGION and (status < _FIRST_CLIENT_ERROR or status == _NOT_FOUND):
        return StorageUnavailable(where, _NOT_S3.format(f"{status} without a reason"))
    if code in _ADVICE:
        return StorageRefused(where, _ADVICE[code])
    if code in _REGION:
        region = told.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        return StorageRefused(where, f"it lies in another region; set AWS_REGION{f' to {region}' if region else ''}")
    if code in _FULL:
        return StorageFull(where, told.get("Message") or code)
    if code in _PASSING or status >= _FIRST_SERVER_ERROR:
        return StorageUnavailable(where, _PASSING.get(code) or f"it answers {status} ({code})")
    return StorageRefused(where, f"it answers {status} {code}: {told.get('Message') or 'no reason given'}")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
