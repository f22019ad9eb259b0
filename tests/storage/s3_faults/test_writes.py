"""S3Store when puts are damaged, repeated or lost: nothing wrong is stored, and nothing is left behind."""

from collections.abc import Callable

import pytest

from coin_pipeline.errors import ObjectExists, StorageFailed, StorageFull, StorageUnavailable
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.storage.s3 import PART_BYTES, S3Store
from tests import faulty_s3
from tests.faulty_s3 import Fault, FaultyS3, Request, refusal
from tests.s3 import S3Server
from tests.storage.s3_faults.conftest import DATA, LARGE, proxied_store, to, uploads


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
