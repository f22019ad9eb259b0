"""Bucket setup on a server that supports public-access blocks, like AWS, and on one that does not."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from coin_pipeline.errors import StorageRefused
from coin_pipeline.storage.bucket import LIFECYCLE_RULES, LIFECYCLE_SUMMARY, Bucket
from tests.faulty_s3 import FaultyS3, refusal
from tests.moto_aws import MotoAws
from tests.s3 import S3Server

FOREIGN_RULE = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}


@pytest.fixture(params=["aws", "other"])
def client(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 -- boto3's
    """Return a client of each server."""
    if request.param == "aws":
        return request.getfixturevalue("moto_aws").client("s3")
    return request.getfixturevalue("s3_server").client()


@pytest.fixture
def bucket(client: Any) -> Iterator[Bucket]:  # noqa: ANN401
    """Yield a bucket that does not exist yet, and delete it afterwards."""
    name = f"set-up-{uuid.uuid4().hex[:12]}"
    yield Bucket(client, name)
    if name in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.delete_bucket(Bucket=name)


def lifecycle_rules(client: Any, bucket: Bucket) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the lifecycle rules on the server, sorted by id."""
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
    return sorted(rules, key=lambda rule: rule["ID"])


def test_set_up_is_idempotent(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """The first run creates and configures the bucket; the second changes nothing and reports that."""
    first = list(bucket.set_up(versioning=True))
    assert first[0] == "created the bucket in us-east-1"
    assert lifecycle_rules(client, bucket) == list(LIFECYCLE_RULES)
    assert (bucket.versioning(), bucket.missing_rules()) == ("Enabled", [])
    second = list(bucket.set_up(versioning=True))
    assert second[0] == "the bucket exists"
    assert "public access" in second[1]
    assert second[2:] == [
        "versioning is enabled",
        f"lifecycle: {LIFECYCLE_SUMMARY}",
    ]
    assert lifecycle_rules(client, bucket) == list(LIFECYCLE_RULES)


def test_versioning_is_opt_in(bucket: Bucket) -> None:
    """Versioning costs money, so it is enabled only on request."""
    assert not any("versioning" in line for line in bucket.set_up(versioning=False))
    assert bucket.versioning() is None


def test_public_access_is_blocked_where_supported(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """AWS blocks public access; for other servers the report asks the operator to check it."""
    message = list(bucket.set_up(versioning=False))[1]
    if message == "blocked public access":
        block = client.get_public_access_block(Bucket=bucket.name)["PublicAccessBlockConfiguration"]
        assert set(block.values()) == {True}
        assert list(bucket.set_up(versioning=False))[1] == "public access is blocked"
    else:
        assert "this server has no such setting" in message
        with pytest.raises(ClientError, match="NotImplemented"):
            client.get_public_access_block(Bucket=bucket.name)


def test_existing_lifecycle_rules_are_kept(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """Rules with other ids are kept, also in the old format, and a modified rule of the platform is restored."""
    client.create_bucket(Bucket=bucket.name)
    old_form = {"ID": "older", "Status": "Enabled", "Prefix": "backtests/", "Expiration": {"Days": 30}}
    changed = {**LIFECYCLE_RULES[0], "Expiration": {"Days": 3}}
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": [FOREIGN_RULE, old_form, changed]}
    )
    assert bucket.missing_rules() == [rule["ID"] for rule in LIFECYCLE_RULES]
    assert list(bucket.set_up(versioning=False))[-1].endswith("; 2 existing rules are kept")
    new_form = {"ID": "older", "Status": "Enabled", "Filter": {"Prefix": "backtests/"}, "Expiration": {"Days": 30}}
    assert lifecycle_rules(client, bucket) == [*LIFECYCLE_RULES, new_form, FOREIGN_RULE]
    assert bucket.missing_rules() == []


def test_bucket_is_created_in_the_configured_region(moto_aws: MotoAws) -> None:
    """Every region except us-east-1 is named when the bucket is created."""
    client = moto_aws.client("s3", region="ap-northeast-2")
    bucket = Bucket(client, f"seoul-{uuid.uuid4().hex[:12]}")
    assert next(bucket.set_up(versioning=False)) == "created the bucket in ap-northeast-2"
    assert client.get_bucket_location(Bucket=bucket.name)["LocationConstraint"] == "ap-northeast-2"


@pytest.mark.parametrize(
    ("method", "code", "message"),
    [
        ("PUT", "BucketAlreadyExists", "choose another AWS_BUCKET_NAME"),
        ("PUT", "AccessDenied", "run it once with an administrator's credentials"),
        ("GET", "AccessDenied", "run it once with an administrator's credentials"),
    ],
)
def test_missing_permissions_are_reported(s3_server: S3Server, method: str, code: str, message: str) -> None:
    """A taken bucket name and insufficient credentials each have their own message."""
    faulty = FaultyS3(s3_server.endpoint)
    faulty.start()
    faulty.inject(refusal(409 if "Exists" in code else 403, code), hits=lambda request: request.method == method)
    try:
        with pytest.raises(StorageRefused, match=message):
            list(Bucket(s3_server.client(endpoint_url=faulty.endpoint), "not-mine").set_up(versioning=False))
    finally:
        faulty.stop()
