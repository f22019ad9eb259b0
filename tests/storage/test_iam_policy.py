"""The shipped IAM policy permits action the store needs, and nothing else."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from coin_pipeline.errors import ObjectExists, ObjectNotFound, StorageRefused
from coin_pipeline.storage.bucket import Bucket, iam_policy
from coin_pipeline.storage.probe import probe_bucket, probe_store
from coin_pipeline.storage.s3 import MULTIPART_THRESHOLD_BYTES, S3Store
from tests.moto_aws import MotoAws

BUCKET, OTHER = "policy-bucket", "policy-bucket-2"


@pytest.fixture
def allowed(moto_aws: MotoAws) -> Iterator[Any]:
    """Yield a client of a user with this policy while policies are enforced; a second bucket contains an object."""
    admin = moto_aws.client("s3")
    for name in (BUCKET, OTHER):
        admin.create_bucket(Bucket=name)
        admin.put_object(Bucket=name, Key="there", Body=b"1")
    keys = moto_aws.user(f"stores-results-{uuid.uuid4().hex}", iam_policy(BUCKET))
    with moto_aws.enforcing():
        yield moto_aws.client("s3", *keys)


def test_policy_covers_one_bucket() -> None:
    """The policy names the bucket, its objects, and only the actions that the store needs."""
    statements = json.loads(iam_policy(BUCKET))["Statement"]
    assert [item["Resource"] for item in statements] == [f"arn:aws:s3:::{BUCKET}/*", f"arn:aws:s3:::{BUCKET}"]
    assert [item["Action"] for item in statements] == [
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
        ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
    ]


def test_policy_permits_every_store_operation(allowed: Any) -> None:  # noqa: ANN401
    """Puts in one request and in parts, overwrites, reads, listings, info and deletions all succeed."""
    store = S3Store(allowed, BUCKET)
    large = bytes(MULTIPART_THRESHOLD_BYTES + 1)
    store.put("a/small", b"1", metadata={"of": "test"})
    store.put("a/large", large)
    with pytest.raises(ObjectExists):
        store.put("a/small", b"2")
    store.put("a/small", b"3", overwrite=True)
    assert (store.get("a/small"), store.get("a/large")) == (b"3", large)
    assert store.info("a/large").size == len(large)
    assert sorted(store.keys("a")) == ["a/large", "a/small"]
    for key in ("a/small", "a/large"):
        store.delete(key)
        assert not store.exists(key)
    with pytest.raises(ObjectNotFound):
        store.get("a/small")
    upload = allowed.create_multipart_upload(Bucket=BUCKET, Key="a/b")["UploadId"]
    allowed.upload_part(Bucket=BUCKET, Key="a/b", UploadId=upload, PartNumber=1, Body=b"12345")
    (left,) = store.incomplete_writes("a", datetime.now(UTC) + timedelta(days=1000))
    assert (left.key, left.size) == ("a/b", 5)
    store.discard(left)
    assert list(store.incomplete_writes("a", datetime.now(UTC) + timedelta(days=1000))) == []


def test_policy_suffices_for_storage_check(allowed: Any) -> None:  # noqa: ANN401
    """Settings that these credentials may not read are notes, not failures."""
    assert {finding.status for finding in probe_store(S3Store(allowed, BUCKET))} == {"ok"}
    assert [finding.status for finding in probe_bucket(Bucket(allowed, BUCKET))] == ["note", "note"]


DENIED: dict[str, Callable[[Any], object]] = {
    "read another bucket": lambda client: client.get_object(Bucket=OTHER, Key="there"),
    "write to another bucket": lambda client: client.put_object(Bucket=OTHER, Key="new", Body=b"1"),
    "list another bucket": lambda client: client.list_objects_v2(Bucket=OTHER),
    "delete from another bucket": lambda client: client.delete_object(Bucket=OTHER, Key="there"),
    "delete the bucket": lambda client: client.delete_bucket(Bucket=BUCKET),
    "change its lifecycle": lambda client: client.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={
            "Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]
        },
    ),
    "change its policy": lambda client: client.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
    "list all buckets": lambda client: client.list_buckets(),
    "create a bucket": lambda client: client.create_bucket(Bucket="policy-bucket-3"),
}


@pytest.mark.parametrize("action", DENIED)
def test_policy_denies_everything_else(allowed: Any, action: str) -> None:  # noqa: ANN401
    """Buckets with a similar name and bucket-level settings are off limits."""
    with pytest.raises(ClientError, match="AccessDenied"):
        DENIED[action](allowed)


def test_forbidden_access_names_the_policy_command(allowed: Any) -> None:  # noqa: ANN401
    """Credentials for another bucket lead to a message that names the command."""
    for read in (
        lambda store: store.get("there"),
        lambda store: store.exists("there"),
        lambda store: list(store.keys()),
    ):
        with pytest.raises(StorageRefused, match="coin storage policy"):
            read(S3Store(allowed, OTHER))
    with pytest.raises(StorageRefused, match="an administrator's credentials"):
        list(Bucket(allowed, BUCKET).set_up(versioning=False))
