"""Setting a bucket up, at a server that blocks public access as AWS does and at one that does not know the word."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from coin_pipeline.errors import StorageRefused
from coin_pipeline.storage.bucket import LIFECYCLE_RULES, Bucket
from tests.faulty_s3 import FaultyS3, refusal
from tests.moto_aws import MotoAws
from tests.s3 import S3Server

THEIRS = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}


@pytest.fixture(params=["aws", "other"])
def client(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 -- boto3's
    """A client of each server."""
    if request.param == "aws":
        return request.getfixturevalue("moto_aws").client("s3")
    return request.getfixturevalue("s3_server").client()


@pytest.fixture
def bucket(client: Any) -> Iterator[Bucket]:  # noqa: ANN401
    """A bucket that is not there yet, and is gone afterwards."""
    name = f"set-up-{uuid.uuid4().hex[:12]}"
    yield Bucket(client, name)
    if name in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        client.delete_bucket(Bucket=name)


def rules(client: Any, bucket: Bucket) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the rules that the server has, by their ids."""
    found = client.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
    return sorted(found, key=lambda rule: rule["ID"])


def test_a_bucket_is_made_and_set_up_once(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """The first run makes all; a second one changes nothing and says that all is as wanted."""
    first = list(bucket.set_up(versioning=True))
    assert first[0] == "the bucket is made, in us-east-1"
    assert rules(client, bucket) == list(LIFECYCLE_RULES)
    assert (bucket.versioning(), bucket.missing_rules()) == ("Enabled", [])
    second = list(bucket.set_up(versioning=True))
    assert second[0] == "the bucket is there"
    assert "public access" in second[1]
    assert second[2:] == [
        "old versions are kept",
        "backtests/ expires after 30 days, an old version in it after 7; an unfinished upload ends after 1",
    ]
    assert rules(client, bucket) == list(LIFECYCLE_RULES)


def test_versioning_is_not_turned_on_unasked(bucket: Bucket) -> None:
    """It costs, so it is a choice."""
    assert not any("versions are" in line for line in bucket.set_up(versioning=False))
    assert bucket.versioning() is None


def test_public_access_is_blocked_where_a_server_can(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """AWS can; of another server it is said that somebody has to see to it."""
    said = list(bucket.set_up(versioning=False))[1]
    if said == "public access is blocked now":
        found = client.get_public_access_block(Bucket=bucket.name)["PublicAccessBlockConfiguration"]
        assert set(found.values()) == {True}
        assert list(bucket.set_up(versioning=False))[1] == "public access is blocked"
    else:
        assert "this server has no such setting" in said
        with pytest.raises(ClientError, match="NotImplemented"):
            client.get_public_access_block(Bucket=bucket.name)


def test_rules_that_are_there_stay(bucket: Bucket, client: Any) -> None:  # noqa: ANN401
    """Rules of other ids are kept, in the older form too, and one of ours that was changed is put right."""
    client.create_bucket(Bucket=bucket.name)
    old_form = {"ID": "older", "Status": "Enabled", "Prefix": "backtests/", "Expiration": {"Days": 30}}
    changed = {**LIFECYCLE_RULES[0], "Expiration": {"Days": 3}}
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": [THEIRS, old_form, changed]}
    )
    assert bucket.missing_rules() == [rule["ID"] for rule in LIFECYCLE_RULES]
    assert list(bucket.set_up(versioning=False))[-1].endswith("beside 2 rules that were there")
    new_form = {"ID": "older", "Status": "Enabled", "Filter": {"Prefix": "backtests/"}, "Expiration": {"Days": 30}}
    assert rules(client, bucket) == [*LIFECYCLE_RULES, new_form, THEIRS]
    assert bucket.missing_rules() == []


def test_a_bucket_lies_in_the_region_of_the_settings(moto_aws: MotoAws) -> None:
    """Every region but the first one is named when a bucket is made."""
    client = moto_aws.client("s3", region="ap-northeast-2")
    bucket = Bucket(client, f"seoul-{uuid.uuid4().hex[:12]}")
    assert next(bucket.set_up(versioning=False)) == "the bucket is made, in ap-northeast-2"
    assert client.get_bucket_location(Bucket=bucket.name)["LocationConstraint"] == "ap-northeast-2"


@pytest.mark.parametrize(
    ("method", "code", "says"),
    [
        ("PUT", "BucketAlreadyExists", "choose another AWS_BUCKET_NAME"),
        ("PUT", "AccessDenied", "run it once with an administrator's credentials"),
        ("GET", "AccessDenied", "run it once with an administrator's credentials"),
    ],
)
def test_what_init_may_not_do_is_said(s3_server: S3Server, method: str, code: str, says: str) -> None:
    """A name of somebody else's and credentials that only store results each have a sentence."""
    faulty = FaultyS3(s3_server.endpoint)
    faulty.start()
    faulty.inject(refusal(409 if "Exists" in code else 403, code), hits=lambda request: request.method == method)
    try:
        with pytest.raises(StorageRefused, match=says):
            list(Bucket(s3_server.client(endpoint_url=faulty.endpoint), "not-mine").set_up(versioning=False))
    finally:
        faulty.stop()
