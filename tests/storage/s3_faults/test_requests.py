"""S3Store when requests fail: each fault has its error, and the store recovers."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_pipeline.errors import StorageFailed, StorageFull, StorageRefused, StorageUnavailable
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.storage.s3 import S3Store
from tests import faulty_s3
from tests.faulty_s3 import Fault, FaultyS3, refusal
from tests.s3 import S3Server
from tests.storage.s3_faults.conftest import DATA, OPERATIONS, proxied_store, to

FAULTS: dict[str, tuple[Fault, type[StorageFailed], str]] = {
    "lost": (faulty_s3.lost, StorageUnavailable, "try again later"),
    "asked to slow down": (refusal(503, "SlowDown"), StorageUnavailable, "slow down"),
    "unavailable": (refusal(503, "ServiceUnavailable"), StorageUnavailable, "slow down"),
    "server error": (refusal(500, "InternalError"), StorageUnavailable, "500"),
    "too many": (refusal(429, "TooManyRequests"), StorageUnavailable, "slow down"),
    "conflict": (refusal(409, "OperationAborted"), StorageUnavailable, "try again later"),
    "forbidden": (refusal(403, "AccessDenied"), StorageRefused, "coin storage policy"),
    "unknown key": (refusal(403, "InvalidAccessKeyId"), StorageRefused, "AWS_ACCESS_KEY_ID"),
    "wrong secret": (refusal(403, "SignatureDoesNotMatch"), StorageRefused, "AWS_SECRET_ACCESS_KEY"),
    "expired": (refusal(400, "ExpiredToken"), StorageRefused, "renew"),
    "skewed": (refusal(403, "RequestTimeTooSkewed"), StorageRefused, "clock"),
    "no bucket": (refusal(404, "NoSuchBucket"), StorageRefused, "coin storage init"),
    "moved": (
        refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-north-1"}),
        StorageRefused,
        "set AWS_REGION to eu-north-1",
    ),
    "other region": (
        refusal(400, "AuthorizationHeaderMalformed", Region="eu-north-1"),
        StorageRefused,
        "set AWS_REGION to eu-north-1",
    ),
    "no space": (refusal(507, "InsufficientStorage", "disk full"), StorageFull, "free some space"),
    "quota": (refusal(403, "QuotaExceeded", "quota exceeded"), StorageFull, "free some space"),
    "unknown": (refusal(418, "Teapot", "short and stout"), StorageRefused, "418 Teapot: short and stout"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_raises_and_recovers(
    store: S3Store, direct: S3Store, faulty: FaultyS3, fault: str, operation: str
) -> None:
    """Every operation names the cause and the remedy, hides credentials, and succeeds once the fault is over."""
    operate, (plan, kind, message) = OPERATIONS[operation], FAULTS[fault]
    faulty.inject(plan)
    with pytest.raises(kind, match=message) as caught:
        operate(store)
    assert store.bucket in str(caught.value)
    for secret in (S3Server.access_key, S3Server.secret_key):
        assert secret not in str(caught.value)
    assert not direct.exists("new")
    faulty.heal()
    assert operate(store) == operate(direct)
    assert direct.get("new" if direct.exists("new") else "there") == DATA


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refused_connection_is_unavailable(store: S3Store, faulty: FaultyS3, operation: str) -> None:
    """A refused connection is a transient error, and the store recovers when the server returns."""
    faulty.stop()
    with pytest.raises(StorageUnavailable, match=r"Could not connect .*; try again later"):
        OPERATIONS[operation](store)
    faulty.start()
    OPERATIONS[operation](store)
    assert store.get("there") == DATA


@pytest.mark.parametrize("operation", OPERATIONS)
def test_hanging_server_is_unavailable(direct: S3Store, faulty: FaultyS3, s3_server: S3Server, operation: str) -> None:
    """No operation waits indefinitely for a response."""
    store = proxied_store(faulty, s3_server, direct.bucket, read_s=0.5)
    faulty.inject(faulty_s3.hung(faulty))
    with pytest.raises(StorageUnavailable, match=r"timeout .*; try again later"):
        OPERATIONS[operation](store)
    faulty.heal()
    OPERATIONS[operation](store)
    assert store.get("there") == DATA


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", [refusal(503, "SlowDown"), refusal(500, "InternalError"), faulty_s3.lost])
def test_short_fault_is_retried(
    direct: S3Store, faulty: FaultyS3, s3_server: S3Server, operation: str, fault: Fault
) -> None:
    """The client retries by itself."""
    store = proxied_store(faulty, s3_server, direct.bucket, attempts=2)
    faulty.inject(fault, times=1)
    assert OPERATIONS[operation](store) == OPERATIONS[operation](direct)
    assert (faulty.met, len(faulty.seen)) == (1, 2)


def test_slow_response_succeeds(store: S3Store, faulty: FaultyS3) -> None:
    """A slow response is complete."""
    faulty.inject(faulty_s3.slow(0.7))
    assert store.get("there") == DATA


def test_listing_is_complete_or_raises(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """A server that fails between two pages never makes a listing look complete."""
    for number in range(1001):
        direct.put(f"many/{number:04}", b"")
    faulty.inject(refusal(503, "SlowDown"), hits=to("GET", "continuation-token"))
    with pytest.raises(StorageUnavailable):
        list(store.keys("many"))
    faulty.heal()
    faulty.inject(refusal(503, "SlowDown"), times=2, hits=to("GET", "continuation-token"))
    with tolerate_outages(5):
        assert len(list(store.keys("many"))) == 1001


def test_upload_that_ends_during_inspection_is_empty(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """Listing incomplete writes does not retry for an upload that has just ended."""
    upload = direct.client.create_multipart_upload(Bucket=direct.bucket, Key="tasks/broken")["UploadId"]
    faulty.inject(refusal(404, "NoSuchUpload"), hits=to("GET", "uploadId"))
    with tolerate_outages(20):
        (left,) = store.incomplete_writes("tasks", datetime.now(UTC) + timedelta(minutes=1))
    assert (left.size, left.upload_id, faulty.met) == (0, upload, 1)
    store.discard(left)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_outage_is_tolerated_by_a_run(store: S3Store, direct: S3Store, faulty: FaultyS3, operation: str) -> None:
    """A run continues when the server returns."""
    with faulty.down(1.0), tolerate_outages(20):
        assert OPERATIONS[operation](store) == OPERATIONS[operation](direct)


def test_rejection_is_not_retried(store: S3Store, faulty: FaultyS3) -> None:
    """An error that a retry cannot fix is raised after one request."""
    faulty.inject(refusal(403, "AccessDenied"))
    with tolerate_outages(20), pytest.raises(StorageRefused):
        store.get("there")
    assert len(faulty.seen) == 1
