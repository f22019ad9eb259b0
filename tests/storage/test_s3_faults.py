"""What the store of a bucket makes of a network and a server that fail: no wrong bytes, nothing lost."""

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
    "facts": lambda store: store.info("there")._replace(modified=None),  # type: ignore[arg-type]
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
    "no space": (refusal(507, "InsufficientStorage", "disk full"), StorageFull, "free some"),
    "quota": (refusal(403, "QuotaExceeded", "quota exceeded"), StorageFull, "free some"),
    "unheard of": (refusal(418, "Teapot", "short and stout"), StorageRefused, "418 Teapot: short and stout"),
}


@pytest.fixture
def faulty(s3_server: S3Server) -> Iterator[FaultyS3]:
    """The way to the server, without a fault yet."""
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def near(s3_server: S3Server) -> S3Store:
    """A bucket with one object, reached without the proxy; all tests share it, for the server has not many."""
    store = s3_server.store("faults")
    for key in list(store.keys()):
        store.delete(key)
    store.put("there", DATA, metadata={"of": "before"})
    return store


@pytest.fixture
def store(s3_server: S3Server, faulty: FaultyS3, near: S3Store) -> S3Store:
    """The same bucket through the proxy, by a client that asks once."""
    return through(faulty, s3_server, near.bucket)


def through(
    faulty: FaultyS3, server: S3Server, bucket: str, attempts: int = 1, read_s: float = 20, reading_s: float = 60
) -> S3Store:
    """Return a store that is reached through the proxy, without asking anything."""
    config = Config(
        connect_timeout=2,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path"},
    )
    return S3Store(server.client(endpoint_url=faulty.endpoint, config=config), bucket, reading_s)


def to(method: str, query: str = "") -> Callable[[Request], bool]:
    """Pick requests by their method and a part of their query."""
    return lambda request: request.method == method and query in request.path.partition("?")[2]


def uploads(store: S3Store) -> list[str]:
    """Return the keys of uploads in parts that were begun and neither completed nor aborted."""
    return [each["Key"] for each in store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_a_sentence_and_passes(
    store: S3Store, near: S3Store, faulty: FaultyS3, fault: str, operation: str
) -> None:
    """Every operation names what is wrong and what to do, shows no credentials, and succeeds once the fault is over."""
    act, (plan, kind, says) = OPERATIONS[operation], FAULTS[fault]
    faulty.inject(plan)
    with pytest.raises(kind, match=says) as caught:
        act(store)
    assert store.bucket in str(caught.value)
    for secret in (S3Server.access_key, S3Server.secret_key):
        assert secret not in str(caught.value)
    assert not near.exists("new")
    faulty.heal()
    assert act(store) == act(near)
    assert near.get("new" if near.exists("new") else "there") == DATA


XHTML = "<html><head><title>Welcome</title></head></html>"
NOT_S3 = r"not one of S3's .* correct AWS_ENDPOINT_URL"
STRANGE = {
    "not found": (faulty_s3.page(404), NOT_S3),
    "not found, in XML": (faulty_s3.page(404, XHTML), NOT_S3),
    "elsewhere": (faulty_s3.page(302), "it redirects|recursion"),
    "a page": (faulty_s3.page(200), f"{NOT_S3}|it answers 500"),  # boto3's reading of a success without S3's XML
    "a page in XML": (faulty_s3.page(200, XHTML), NOT_S3),
    "nothing": (faulty_s3.page(200, ""), NOT_S3),
}


@pytest.mark.parametrize("operation", sorted({*OPERATIONS} - {"delete"}))
@pytest.mark.parametrize("strange", STRANGE)
def test_a_gateways_own_answer_is_not_that_of_the_store(
    store: S3Store, near: S3Store, faulty: FaultyS3, strange: str, operation: str
) -> None:
    """Neither is an object gone, nor a page an object, nor anything stored, because something in between says so."""
    assert not store.exists("new")
    fault, says = STRANGE[strange]
    faulty.inject(fault)
    with pytest.raises(StorageUnavailable, match=says):
        OPERATIONS[operation](store)
    assert not near.exists("new")
    faulty.heal()
    assert OPERATIONS[operation](store) == OPERATIONS[operation](near)


def test_a_gateway_without_anything_removes_nothing(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """A deletion that was not found by something in between has not happened."""
    faulty.inject(faulty_s3.page(404))
    with pytest.raises(StorageUnavailable, match="not one of S3's"):
        store.delete("there")
    assert near.exists("there")


@pytest.mark.parametrize("hits", [to("POST", "uploads"), to("PUT", "partNumber=2"), to("POST", "uploadId")])
@pytest.mark.parametrize("status", [200, 404])
def test_a_gateways_answer_to_an_upload_in_parts_stores_nothing(
    store: S3Store, near: S3Store, faulty: FaultyS3, hits: Callable[[Request], bool], status: int
) -> None:
    """Each of its requests is answered by S3, or the upload has failed and is removed."""
    faulty.inject(faulty_s3.page(status), hits=hits)
    with pytest.raises(StorageUnavailable, match=f"{NOT_S3}|it answers 500"):
        store.put("new", bytes(LARGE))
    assert (near.exists("new"), uploads(near)) == (False, [])


def test_what_comes_between_two_looks_is_there(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """Where a HEAD finds nothing and the GET that is to say why finds an object, it has just come."""
    faulty.inject(faulty_s3.page(404), times=1, hits=to("HEAD"))
    assert store.info("there") == near.info("there")


def test_an_upload_that_ends_while_it_is_looked_at_is_empty(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """Whoever looks for leftovers does not wait for one that is gone already."""
    upload = near.client.create_multipart_upload(Bucket=near.bucket, Key="tasks/broken")["UploadId"]
    faulty.inject(refusal(404, "NoSuchUpload"), hits=to("GET", "uploadId"))
    with tolerate_outages(20):
        (left,) = store.incomplete_writes("tasks", datetime.now(UTC) + timedelta(minutes=1))
    assert (left.size, left.upload_id, faulty.met) == (0, upload, 1)
    store.discard(left)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_refuses_connections_is_away(store: S3Store, faulty: FaultyS3, operation: str) -> None:
    """Where nothing listens the error is the transient one; where something listens again all is as before."""
    faulty.stop()
    with pytest.raises(StorageUnavailable, match=r"Could not connect .*; try again later"):
        OPERATIONS[operation](store)
    faulty.start()
    OPERATIONS[operation](store)
    assert store.get("there") == DATA


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_hangs_is_away(near: S3Store, faulty: FaultyS3, s3_server: S3Server, operation: str) -> None:
    """No operation waits for an answer for ever."""
    store = through(faulty, s3_server, near.bucket, read_s=0.5)
    faulty.inject(faulty_s3.hung(faulty))
    with pytest.raises(StorageUnavailable, match=r"timeout .*; try again later"):
        OPERATIONS[operation](store)
    faulty.heal()
    OPERATIONS[operation](store)
    assert store.get("there") == DATA


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", [refusal(503, "SlowDown"), refusal(500, "InternalError"), faulty_s3.lost])
def test_a_short_fault_is_not_noticed(
    near: S3Store, faulty: FaultyS3, s3_server: S3Server, operation: str, fault: Fault
) -> None:
    """The client asks again by itself."""
    store = through(faulty, s3_server, near.bucket, attempts=2)
    faulty.inject(fault, times=1)
    assert OPERATIONS[operation](store) == OPERATIONS[operation](near)
    assert (faulty.met, len(faulty.seen)) == (1, 2)


def test_a_slow_answer_is_an_answer(store: S3Store, faulty: FaultyS3) -> None:
    """What comes late comes whole."""
    faulty.inject(faulty_s3.slow(0.7))
    assert store.get("there") == DATA


@pytest.mark.parametrize("fault", [faulty_s3.flipped, faulty_s3.truncated])
def test_wrong_bytes_are_never_handed_out(store: S3Store, faulty: FaultyS3, fault: Fault) -> None:
    """A body that was changed on the way is read again, and is corrupt if it is changed each time."""
    faulty.inject(fault, times=2)
    assert (store.get("there"), faulty.met) == (DATA, 2)
    faulty.inject(fault)
    with pytest.raises(ObjectCorrupt, match="there' is corrupt"):
        store.get("there")
    faulty.heal()
    assert store.get("there") == DATA


def test_wrong_bytes_of_an_object_without_our_digest_are_noticed_by_the_servers(
    store: S3Store, near: S3Store, faulty: FaultyS3
) -> None:
    """What another program put has no digest of ours; the checksum that came with it is checked instead."""
    near.client.put_object(Bucket=near.bucket, Key="theirs", Body=DATA, ChecksumAlgorithm="SHA256")
    assert store.get("theirs") == DATA
    faulty.inject(faulty_s3.flipped)
    with pytest.raises(ObjectCorrupt, match="theirs"):
        store.get("theirs")


def test_a_body_that_breaks_off_is_read_again(store: S3Store, faulty: FaultyS3) -> None:
    """A read begins anew where the connection closes in the middle, and gives up in the end."""
    faulty.inject(faulty_s3.cut, times=2)
    assert store.get("there") == DATA
    faulty.inject(faulty_s3.cut)
    with pytest.raises(StorageUnavailable, match="response stream"):
        store.get("there")


def test_a_body_that_stalls_is_read_again(near: S3Store, faulty: FaultyS3, s3_server: S3Server) -> None:
    """Half a body and then silence is a broken connection too."""
    store = through(faulty, s3_server, near.bucket, read_s=0.5)
    faulty.inject(faulty_s3.stalled(faulty), times=1)
    assert (store.get("there"), faulty.met) == (DATA, 1)


def test_a_body_that_stalls_is_not_read_again_when_time_is_up(
    near: S3Store, faulty: FaultyS3, s3_server: S3Server
) -> None:
    """Who answers people has few threads, and gives up instead of meeting the same silence a third time."""
    store = through(faulty, s3_server, near.bucket, read_s=0.5, reading_s=0.9)
    faulty.inject(faulty_s3.stalled(faulty))
    with pytest.raises(StorageUnavailable, match="timeout"):
        store.get("there")
    assert faulty.met == 2


def test_what_is_damaged_on_its_way_is_not_stored(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """The server compares with the checksum that is sent along, and the bytes may be sent again."""
    faulty.inject(faulty_s3.sent_flipped, times=1, hits=to("PUT"))
    with pytest.raises(StorageUnavailable, match="arrived damaged"):
        store.put("new", DATA)
    assert not near.exists("new")
    store.put("new", DATA)
    assert near.get("new") == DATA


@pytest.mark.parametrize("size", [len(DATA), LARGE])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("attempts", [1, 2])
def test_a_put_whose_answer_is_lost_is_a_success(
    near: S3Store,
    faulty: FaultyS3,
    s3_server: S3Server,
    size: int,
    overwrite: bool,  # noqa: FBT001
    attempts: int,
) -> None:
    """Carried out but unanswered, it is asked for again and finds its own bytes, whoever repeats it."""
    store = through(faulty, s3_server, near.bucket, attempts=attempts)
    faulty.inject(faulty_s3.answer_lost, times=1, hits=to(*(("POST", "uploadId") if size == LARGE else ("PUT",))))
    data = DATA if size == len(DATA) else bytes(size)
    with tolerate_outages(5):
        store.put("new", data, overwrite=overwrite)
    assert faulty.met == 1
    assert near.get("new") == data
    assert uploads(near) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_upload_in_parts_whose_completion_is_lost_is_a_success(
    near: S3Store,
    faulty: FaultyS3,
    s3_server: S3Server,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Some servers know nothing of an upload that they have completed: what lies there says whether they did."""
    store, completion = through(faulty, s3_server, near.bucket, attempts=2), to("POST", "uploadId")
    faulty.inject(faulty_s3.answer_lost, times=1, hits=completion)
    faulty.inject(refusal(404, "NoSuchUpload"), times=1, hits=completion)
    store.put("new", bytes(LARGE), overwrite=overwrite)
    assert (near.get("new"), faulty.met) == (bytes(LARGE), 2)
    faulty.inject(refusal(404, "NoSuchUpload"), hits=completion)
    with pytest.raises(StorageUnavailable, match="ended by somebody else"):
        store.put("newer", bytes(LARGE))
    assert not near.exists("newer")


def test_a_put_whose_answer_is_lost_does_not_win_over_other_bytes(
    near: S3Store, faulty: FaultyS3, s3_server: S3Server
) -> None:
    """If another writer came first, the repeated put is refused like any other."""
    store = through(faulty, s3_server, near.bucket, attempts=2)
    faulty.inject(faulty_s3.lost, times=1, hits=to("PUT"))
    with pytest.raises(ObjectExists):
        store.put("there", b"other")
    assert near.get("there") == DATA


@pytest.mark.parametrize("size", [len(DATA), LARGE])
def test_a_put_in_a_race_is_sent_again_whole(store: S3Store, near: S3Store, faulty: FaultyS3, size: int) -> None:
    """S3 answers 409 where another request to the key is under way; asked again it decides."""
    hits = to("POST", "uploadId") if size == LARGE else to("PUT")
    faulty.inject(refusal(409, "ConditionalRequestConflict"), times=2, hits=hits)
    data = DATA if size == len(DATA) else bytes(size)
    store.put("new", data)
    assert near.get("new") == data
    faulty.inject(refusal(409, "ConditionalRequestConflict"), hits=hits)
    with pytest.raises(StorageUnavailable, match="another request"):
        store.put("newer", data)


@pytest.mark.parametrize(
    ("fault", "kind"), [(refusal(507, "InsufficientStorage"), StorageFull), (faulty_s3.lost, StorageUnavailable)]
)
@pytest.mark.parametrize("hits", [to("PUT", "partNumber=3"), to("POST", "uploadId")])
def test_an_upload_in_parts_that_fails_leaves_nothing(
    store: S3Store,
    near: S3Store,
    faulty: FaultyS3,
    fault: Fault,
    kind: type[StorageFailed],
    hits: Callable[[Request], bool],
) -> None:
    """Its parts are removed, so that nobody pays for them, and the next try stores all."""
    data = bytes(2 * PART_BYTES + 1)
    faulty.inject(fault, hits=hits)
    with pytest.raises(kind):
        store.put("new", data)
    assert not near.exists("new")
    assert uploads(near) == []
    faulty.heal()
    store.put("new", data)
    assert near.get("new") == data


def test_a_part_that_is_damaged_on_its_way_is_not_stored(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """Each part has a checksum of its own."""
    faulty.inject(faulty_s3.sent_flipped, times=1, hits=to("PUT", "partNumber=2"))
    with pytest.raises(StorageUnavailable, match="arrived damaged"):
        store.put("new", bytes(LARGE))
    assert (near.exists("new"), uploads(near)) == (False, [])


def test_a_listing_is_whole_or_an_error(store: S3Store, near: S3Store, faulty: FaultyS3) -> None:
    """A server that is away between two pages never makes a listing look complete."""
    for number in range(1001):
        near.put(f"many/{number:04}", b"")
    faulty.inject(refusal(503, "SlowDown"), hits=to("GET", "continuation-token"))
    with pytest.raises(StorageUnavailable):
        list(store.keys("many"))
    faulty.heal()
    faulty.inject(refusal(503, "SlowDown"), times=2, hits=to("GET", "continuation-token"))
    with tolerate_outages(5):
        assert len(list(store.keys("many"))) == 1001


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_patient_thread_waits_for_a_server_that_is_away(
    store: S3Store, near: S3Store, faulty: FaultyS3, operation: str
) -> None:
    """A run goes on where the server comes back, however it was away."""
    with faulty.away(1.0), tolerate_outages(20):
        assert OPERATIONS[operation](store) == OPERATIONS[operation](near)


def test_a_patient_thread_does_not_wait_for_a_refusal(store: S3Store, faulty: FaultyS3) -> None:
    """What a retry does not change is told at once: one request, one answer."""
    faulty.inject(refusal(403, "AccessDenied"))
    with tolerate_outages(20), pytest.raises(StorageRefused):
        store.get("there")
    assert len(faulty.seen) == 1
