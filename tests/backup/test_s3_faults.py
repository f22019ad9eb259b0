"""Backups in a bucket whose server fails: nothing partial is visible, and what was carried out counts."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.s3 import S3Location
from coin_pipeline.backup.streams import read_file, write_file
from coin_pipeline.errors import StorageFull, StorageUnavailable
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.storage.s3 import PART_BYTES
from tests.backup.objects import OBJECT_TARGETS, back_up, damage, write_data_root
from tests.faulty_s3 import Fault, FaultyS3, Request, cut, lost, refusal, response_lost, sent_flipped
from tests.s3 import S3Server
from tests.storage.s3_faults.conftest import proxied_store

NAME, BUCKET = "results/results_20260101_000000.tar.gz", "faulty-backups"
LARGE = os.urandom(1000) * (PART_BYTES // 1000 + 10)


def to(method: str, *parts: str) -> Callable[[Request], bool]:
    """Select requests by their method and by parts of their path."""
    return lambda request: request.method == method and all(part in request.path for part in parts)


@pytest.fixture
def faulty(s3_server: S3Server) -> Iterator[FaultyS3]:
    """Yield a proxy to the server, without faults yet."""
    s3_server.store(BUCKET)
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def location(s3_server: S3Server, faulty: FaultyS3) -> S3Location:
    """A location behind the proxy, whose client does not retry."""
    return S3Location(proxied_store(faulty, s3_server, BUCKET).client, BUCKET, uuid.uuid4().hex)


def read(location: S3Location) -> bytes:
    """Read the file."""
    with location.open(NAME) as file:
        return file.read()


@pytest.mark.parametrize(
    ("selected", "fault"),
    [
        *((to("PUT", "partNumber=1"), fault) for fault in (lost, response_lost, sent_flipped)),
        *((to("PUT", "partNumber=2"), fault) for fault in (lost, refusal(503, "SlowDown"))),
        *((to("POST", "uploadId"), fault) for fault in (lost, response_lost)),
    ],
)
def test_a_request_that_failed_is_repeated(
    location: S3Location, faulty: FaultyS3, selected: Callable[[Request], bool], fault: Fault
) -> None:
    """Each part, and the completion, whose first attempt may have been carried out."""
    faulty.inject(fault, times=1, hits=selected)
    with tolerate_outages(5), location.write(NAME) as file:
        file.write(LARGE)
    assert faulty.met == 1
    assert read(location) == LARGE


def test_an_encrypted_upload_tolerates_outages_too(location: S3Location, faulty: FaultyS3) -> None:
    """Another thread encrypts and sends it."""
    key = Key.generate()
    faulty.inject(lost, times=1, hits=to("PUT", "partNumber=1"))
    with tolerate_outages(5), write_file(location, NAME, key) as written:
        written.sink.write(LARGE)
    assert faulty.met == 1
    with read_file(location, written.file, key) as file:
        assert file.read() == LARGE


def test_a_lost_completion_is_found_carried_out(location: S3Location, faulty: FaultyS3) -> None:
    """Some servers forget a completed upload, so the stored file decides."""
    faulty.inject(response_lost, times=1, hits=to("POST", "uploadId"))
    faulty.inject(refusal(404, "NoSuchUpload"), times=1, hits=to("POST", "uploadId"))
    with tolerate_outages(5), location.write(NAME) as file:
        file.write(LARGE)
    assert (faulty.met, read(location)) == (2, LARGE)


def test_a_lost_upload_is_an_error(location: S3Location, faulty: FaultyS3) -> None:
    """Nothing is visible."""
    faulty.inject(refusal(404, "NoSuchUpload"), hits=to("POST", "uploadId"))
    with pytest.raises(StorageUnavailable, match="has lost the upload"), location.write(NAME) as file:
        file.write(LARGE)
    assert not location.exists(NAME)


def test_an_interrupted_download_is_resumed(location: S3Location, faulty: FaultyS3) -> None:
    """At the byte at which it was interrupted, as long as it is the same file."""
    with location.write(NAME) as file:
        file.write(LARGE)
    faulty.inject(cut, times=1, hits=to("GET"))
    assert read(location) == LARGE
    assert [request.headers.get("Range", "whole") != "whole" for request in faulty.seen if to("GET")(request)] == [
        False,
        True,
    ]


def test_a_full_quota_is_reported(location: S3Location, faulty: FaultyS3) -> None:
    """The upload is aborted."""
    faulty.inject(refusal(507, "InsufficientStorage"), hits=to("PUT", "partNumber=2"))
    with pytest.raises(StorageFull), location.write(NAME) as file:
        file.write(LARGE)
    assert location.remove_incomplete() == 0


@pytest.mark.parametrize("fault", [lost, response_lost])
def test_the_lock_is_acquired_although_a_response_is_lost(location: S3Location, faulty: FaultyS3, fault: Fault) -> None:
    """Its content identifies the holder, so a request that was carried out is not taken for another process."""
    faulty.inject(fault, times=1, hits=to("PUT", "backup.lock"))
    with tolerate_outages(5), location.lock() as lock:
        lock.require()
    assert not location.exists("backup.lock")


def test_an_outage_fails_the_target_and_the_next_backup_is_complete(
    tmp_path: Path, s3_server: S3Server, faulty: FaultyS3
) -> None:
    """The sets that exist are intact, and the error names the server."""
    environment = {name.lower(): value for name, value in s3_server.environment(BUCKET).items()}
    settings = write_data_root(tmp_path).model_validate(
        environment
        | {"data_root": tmp_path, "aws_bucket_name": None, "aws_endpoint_url": faulty.endpoint}
        | {"coin_backup_location": f"s3://{BUCKET}/{uuid.uuid4().hex}"}
    )
    before = back_up(settings)
    faulty.inject(lost, hits=to("PUT", "tasks_"))
    failed = run_backup(settings, OBJECT_TARGETS).targets[1]
    assert "cannot reach the object store" in str(failed.error)
    faulty.heal()
    newest = back_up(settings)
    assert damage(settings, before) == damage(settings, newest) == []
    assert len([name for name in open_location(settings).names("tasks") if name.endswith(".list.gz")]) == 2
