"""S3Store on a failing network or server: no wrong bytes, no lost objects."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.config import Config

from coin_pipeline.errors import (
    ObjectCorrupt,
    ObjectExists,
    StorageFailed,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
)
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.storage.s3 import MULTIPART_THRESHOLD_BYTES, PART_BYTES, S3Store
from tests import faulty_s3
from tests.faulty_s3 import Fault, FaultyS3, Request, refusal
from tests.s3 import S3Server

DATA = bytes(range(256)) * 40
LARGE = MULTIPART_THRESHOLD_BYTES + 1
OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "put": lambda store: store.put("new", DATA),
    "overwrite": lambda store: store.put("new", DATA, overwrite=True),
    "get": lambda store: store.get("there"),
    "info": lambda store: store.info("there")._replace(modified=None),  # type: ignore[arg-type]
    "exists": lambda store: store.exists("there"),
    "list": lambda store: [entry.key for entry in store.entries()],
    "delete": lambda store: store.delete("gone"),
}
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


@pytest.fixture
def faulty(s3_server: S3Server) -> Iterator[FaultyS3]:
    """Yield a proxy to the server, without faults yet."""
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def direct(s3_server: S3Server) -> S3Store:
    """Return a store with one object that bypasses the proxy; tests share the bucket because the server allows few."""
    store = s3_server.store("faults")
    for key in list(store.keys()):
        store.delete(key)
    store.put("there", DATA, metadata={"of": "before"})
    return store


@pytest.fixture
def store(s3_server: S3Server, faulty: FaultyS3, direct: S3Store) -> S3Store:
    """Return the same bucket through the proxy, with a client that does not retry."""
    return proxied_store(faulty, s3_server, direct.bucket)


def proxied_store(
    faulty: FaultyS3, server: S3Server, bucket: str, attempts: int = 1, read_s: float = 20, read_budget_s: float = 60
) -> S3Store:
    """Return a store behind the proxy; nothing is requested yet."""
    config = Config(
        connect_timeout=2,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path"},
    )
    return S3Store(server.client(endpoint_url=faulty.endpoint, config=config), bucket, read_budget_s)


def to(method: str, query: str = "") -> Callable[[Request], bool]:
    """Return a predicate that selects requests by method and by a part of their query."""
    return lambda request: request.method == method and query in request.path.partition("?")[2]


def uploads(store: S3Store) -> list[str]:
    """Return the keys of uploads that were neither completed nor aborted."""
    return [item["Key"] for item in store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])]


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


XHTML = "<html><head><title>Welcome</title></head></html>"
NOT_S3 = r"not from S3 .* correct AWS_ENDPOINT_URL"
GATEWAY_RESPONSES = {
    "not found": (faulty_s3.page(404), NOT_S3),
    "not found, in XML": (faulty_s3.page(404, XHTML), NOT_S3),
    "elsewhere": (faulty_s3.page(302), "it redirects|recursion"),
    "a page": (faulty_s3.page(200), f"{NOT_S3}|it returned 500"),  # how boto3 reads a success without S3's XML
    "a page in XML": (faulty_s3.page(200, XHTML), NOT_S3),
    "nothing": (faulty_s3.page(200, ""), NOT_S3),
}


@pytest.mark.parametrize("operation", sorted({*OPERATIONS} - {"delete"}))
@pytest.mark.parametrize("response", GATEWAY_RESPONSES)
def test_gateway_page_is_not_an_s3_response(
    store: S3Store, direct: S3Store, faulty: FaultyS3, response: str, operation: str
) -> None:
    """A page of a gateway neither deletes, returns nor stores an object."""
    assert not store.exists("new")
    fault, message = GATEWAY_RESPONSES[response]
    faulty.inject(fault)
    with pytest.raises(StorageUnavailable, match=message):
        OPERATIONS[operation](store)
    assert not direct.exists("new")
    faulty.heal()
    assert OPERATIONS[operation](store) == OPERATIONS[operation](direct)


def test_gateway_404_does_not_confirm_a_deletion(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """A 404 from a gateway does not mean that the object is gone."""
    faulty.inject(faulty_s3.page(404))
    with pytest.raises(StorageUnavailable, match="not from S3"):
        store.delete("there")
    assert direct.exists("there")


@pytest.mark.parametrize("hits", [to("POST", "uploads"), to("PUT", "partNumber=2"), to("POST", "uploadId")])
@pytest.mark.parametrize("status", [200, 404])
def test_gateway_page_during_multipart_upload_stores_nothing(
    store: S3Store, direct: S3Store, faulty: FaultyS3, hits: Callable[[Request], bool], status: int
) -> None:
    """Every request must be answered by S3, or the upload fails and is aborted."""
    faulty.inject(faulty_s3.page(status), hits=hits)
    with pytest.raises(StorageUnavailable, match=f"{NOT_S3}|it returned 500"):
        store.put("new", bytes(LARGE))
    assert (direct.exists("new"), uploads(direct)) == (False, [])


def test_object_created_between_head_and_get_exists(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """If HEAD fails and the GET that looks for the reason succeeds, the object has just been created."""
    faulty.inject(faulty_s3.page(404), times=1, hits=to("HEAD"))
    assert store.info("there") == direct.info("there")


def test_upload_that_ends_during_inspection_is_empty(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """Listing incomplete writes does not retry for an upload that has just ended."""
    upload = direct.client.create_multipart_upload(Bucket=direct.bucket, Key="tasks/broken")["UploadId"]
    faulty.inject(refusal(404, "NoSuchUpload"), hits=to("GET", "uploadId"))
    with tolerate_outages(20):
        (left,) = store.incomplete_writes("tasks", datetime.now(UTC) + timedelta(minutes=1))
    assert (left.size, left.upload_id, faulty.met) == (0, upload, 1)
    store.discard(left)


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


@pytest.mark.parametrize("fault", [faulty_s3.flipped, faulty_s3.truncated])
def test_wrong_bytes_are_never_returned(store: S3Store, faulty: FaultyS3, fault: Fault) -> None:
    """A damaged body is read again, and raises ObjectCorrupt if every read is damaged."""
    faulty.inject(fault, times=2)
    assert (store.get("there"), faulty.met) == (DATA, 2)
    faulty.inject(fault)
    with pytest.raises(ObjectCorrupt, match="there' is corrupt"):
        store.get("there")
    faulty.heal()
    assert store.get("there") == DATA


def test_foreign_object_is_verified_by_its_own_checksum(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """An object of another program has no digest of this platform; its S3 checksum is verified instead."""
    direct.client.put_object(Bucket=direct.bucket, Key="theirs", Body=DATA, ChecksumAlgorithm="SHA256")
    assert store.get("theirs") == DATA
    faulty.inject(faulty_s3.flipped)
    with pytest.raises(ObjectCorrupt, match="theirs"):
        store.get("theirs")


def test_interrupted_read_starts_over(store: S3Store, faulty: FaultyS3) -> None:
    """A read starts over when the connection closes early, up to the limit."""
    faulty.inject(faulty_s3.cut, times=2)
    assert store.get("there") == DATA
    faulty.inject(faulty_s3.cut)
    with pytest.raises(StorageUnavailable, match="response stream"):
        store.get("there")


def test_stalled_read_starts_over(direct: S3Store, faulty: FaultyS3, s3_server: S3Server) -> None:
    """A body that stalls is treated like a broken connection."""
    store = proxied_store(faulty, s3_server, direct.bucket, read_s=0.5)
    faulty.inject(faulty_s3.stalled(faulty), times=1)
    assert (store.get("there"), faulty.met) == (DATA, 1)


def test_stalled_read_stops_at_its_budget(direct: S3Store, faulty: FaultyS3, s3_server: S3Server) -> None:
    """The API has few threads, so a read gives up instead of stalling a third time."""
    store = proxied_store(faulty, s3_server, direct.bucket, read_s=0.5, read_budget_s=0.9)
    faulty.inject(faulty_s3.stalled(faulty))
    with pytest.raises(StorageUnavailable, match="timeout"):
        store.get("there")
    assert faulty.met == 2


def test_data_damaged_in_transit_is_not_stored(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """The server verifies the checksum of the request, and the bytes can be sent again."""
    faulty.inject(faulty_s3.sent_flipped, times=1, hits=to("PUT"))
    with pytest.raises(StorageUnavailable, match="was damaged on the way"):
        store.put("new", DATA)
    assert not direct.exists("new")
    store.put("new", DATA)
    assert direct.get("new") == DATA


@pytest.mark.parametrize("size", [len(DATA), LARGE])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("attempts", [1, 2])
def test_put_with_lost_response_succeeds(
    direct: S3Store,
    faulty: FaultyS3,
    s3_server: S3Server,
    size: int,
    overwrite: bool,  # noqa: FBT001
    attempts: int,
) -> None:
    """A put that was carried out finds its own bytes when it is repeated, by the client or by the run."""
    store = proxied_store(faulty, s3_server, direct.bucket, attempts=attempts)
    faulty.inject(faulty_s3.response_lost, times=1, hits=to(*(("POST", "uploadId") if size == LARGE else ("PUT",))))
    data = DATA if size == len(DATA) else bytes(size)
    with tolerate_outages(5):
        store.put("new", data, overwrite=overwrite)
    assert faulty.met == 1
    assert direct.get("new") == data
    assert uploads(direct) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_multipart_completion_with_lost_response_succeeds(
    direct: S3Store,
    faulty: FaultyS3,
    s3_server: S3Server,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Some servers forget a completed upload, so the stored object decides."""
    store, completion = proxied_store(faulty, s3_server, direct.bucket, attempts=2), to("POST", "uploadId")
    faulty.inject(faulty_s3.response_lost, times=1, hits=completion)
    faulty.inject(refusal(404, "NoSuchUpload"), times=1, hits=completion)
    store.put("new", bytes(LARGE), overwrite=overwrite)
    assert (direct.get("new"), faulty.met) == (bytes(LARGE), 2)
    faulty.inject(refusal(404, "NoSuchUpload"), hits=completion)
    with pytest.raises(StorageUnavailable, match="another client ended the upload"):
        store.put("newer", bytes(LARGE))
    assert not direct.exists("newer")


def test_put_with_lost_response_does_not_replace_other_bytes(
    direct: S3Store, faulty: FaultyS3, s3_server: S3Server
) -> None:
    """If another writer was first, the repeated put is rejected like any other."""
    store = proxied_store(faulty, s3_server, direct.bucket, attempts=2)
    faulty.inject(faulty_s3.lost, times=1, hits=to("PUT"))
    with pytest.raises(ObjectExists):
        store.put("there", b"other")
    assert direct.get("there") == DATA


@pytest.mark.parametrize("size", [len(DATA), LARGE])
def test_put_in_a_race_is_repeated(store: S3Store, direct: S3Store, faulty: FaultyS3, size: int) -> None:
    """S3 returns 409 while another request to the key is in progress; a repeated request is decided."""
    hits = to("POST", "uploadId") if size == LARGE else to("PUT")
    faulty.inject(refusal(409, "ConditionalRequestConflict"), times=2, hits=hits)
    data = DATA if size == len(DATA) else bytes(size)
    store.put("new", data)
    assert direct.get("new") == data
    faulty.inject(refusal(409, "ConditionalRequestConflict"), hits=hits)
    with pytest.raises(StorageUnavailable, match="another request"):
        store.put("newer", data)


@pytest.mark.parametrize(
    ("fault", "kind"), [(refusal(507, "InsufficientStorage"), StorageFull), (faulty_s3.lost, StorageUnavailable)]
)
@pytest.mark.parametrize("hits", [to("PUT", "partNumber=3"), to("POST", "uploadId")])
def test_failed_multipart_upload_leaves_nothing(
    store: S3Store,
    direct: S3Store,
    faulty: FaultyS3,
    fault: Fault,
    kind: type[StorageFailed],
    hits: Callable[[Request], bool],
) -> None:
    """Its parts are removed, so they cost nothing, and the next attempt succeeds."""
    data = bytes(2 * PART_BYTES + 1)
    faulty.inject(fault, hits=hits)
    with pytest.raises(kind):
        store.put("new", data)
    assert not direct.exists("new")
    assert uploads(direct) == []
    faulty.heal()
    store.put("new", data)
    assert direct.get("new") == data


def test_damaged_part_is_not_stored(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """Each part has its own checksum."""
    faulty.inject(faulty_s3.sent_flipped, times=1, hits=to("PUT", "partNumber=2"))
    with pytest.raises(StorageUnavailable, match="was damaged on the way"):
        store.put("new", bytes(LARGE))
    assert (direct.exists("new"), uploads(direct)) == (False, [])


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
