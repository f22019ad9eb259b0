"""Stores that do not implement a request that results do not need."""

from datetime import UTC, datetime

import pytest

from coin_pipeline.storage.bucket import Bucket
from coin_pipeline.storage.probe import probe_bucket
from tests.faulty_s3 import ALWAYS, Fault, FaultyS3, page, refusal
from tests.s3 import S3Server


@pytest.mark.parametrize("setting", ["versioning", "lifecycle"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (refusal(501, "NotImplemented"), "this server does not have it"),
        (refusal(405, "MethodNotAllowed"), "this server does not have it"),
        (page(501, ""), "this server does not have it"),
        (refusal(403, "AccessDenied"), "an administrator's"),
        (refusal(400, "InvalidRequest"), "unknown: the object store rejected"),
        (refusal(500, "InternalError"), "unknown: cannot reach"),
    ],
)
def test_unreadable_bucket_setting_is_a_note(s3_server: S3Server, setting: str, fault: Fault, message: str) -> None:
    """Results need neither versioning nor lifecycle rules: one is noted, and the other is still checked."""
    s3_server.store("settings")
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    proxy.inject(fault, times=ALWAYS, hits=lambda request: f"?{setting}" in request.path)
    try:
        findings = list(probe_bucket(Bucket(s3_server.client(endpoint_url=proxy.endpoint), "settings")))
    finally:
        proxy.stop()
    by_name = {finding.check: finding for finding in findings}
    assert list(by_name) == ["versioning", "lifecycle"]
    assert by_name[setting].status == "note"
    assert message in by_name[setting].message
    assert "missing" in by_name["lifecycle"].message or "off" in by_name["versioning"].message


def test_set_up_continues_without_versioning(s3_server: S3Server) -> None:
    """A server without versioning still gets the lifecycle rules."""
    s3_server.store("without-versioning")
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    proxy.inject(refusal(501, "NotImplemented"), times=ALWAYS, hits=lambda request: "?versioning" in request.path)
    try:
        bucket = Bucket(s3_server.client(endpoint_url=proxy.endpoint), "without-versioning")
        lines = list(bucket.set_up(versioning=True))
    finally:
        proxy.stop()
    assert lines[2].startswith("versioning: this server does not have it")
    assert lines[3].startswith("set the lifecycle")


def test_a_store_that_lists_no_uploads_has_none_to_abort(s3_server: S3Server) -> None:
    """Retention removes everything else."""
    s3_server.store("no-uploads")
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    proxy.inject(refusal(501, "NotImplemented"), times=ALWAYS, hits=lambda request: "uploads" in request.path)
    try:
        store = s3_server.store("no-uploads", endpoint_url=proxy.endpoint)
        assert list(store.incomplete_writes("tasks", datetime.now(UTC))) == []
    finally:
        proxy.stop()
