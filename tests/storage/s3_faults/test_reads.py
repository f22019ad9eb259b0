"""S3Store when bodies arrive damaged, interrupted or late: no wrong bytes are returned."""

import pytest

from coin_pipeline.errors import ObjectCorrupt, StorageUnavailable
from coin_pipeline.storage.s3 import S3Store
from tests import faulty_s3
from tests.faulty_s3 import Fault, FaultyS3
from tests.s3 import S3Server
from tests.storage.s3_faults.conftest import DATA, proxied_store


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
