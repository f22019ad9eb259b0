"""Setting a bucket up: that it is there, closed to the public, and forgets what is not kept; and whom to let in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from coin_pipeline.errors import StorageRefused
from coin_pipeline.storage.s3_errors import FORBIDDEN, UNSUPPORTED, error_code, translate_s3_errors

if TYPE_CHECKING:
    from botocore.client import BaseClient

PREFIX, KEPT_DAYS, OLD_VERSIONS_DAYS, UNFINISHED_DAYS = "backtests/", 30, 7, 1
LIFECYCLE_RULES: Sequence[Mapping[str, Any]] = (
    {
        "ID": "coin-backtests",
        "Status": "Enabled",
        "Filter": {"Prefix": PREFIX},
        "Expiration": {"Days": KEPT_DAYS},
        # With versioning an expired object is only hidden; this removes what is hidden.
        "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_DAYS},
    },
    {
        "ID": "coin-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    },
)
"""Of the bucket's lifecycle; rules with other ids are nobody's here."""
LIFECYCLE_SUMMARY = (
    f"{PREFIX} expires after {KEPT_DAYS} days, an old version in it after {OLD_VERSIONS_DAYS};"
    f" an unfinished upload ends after {UNFINISHED_DAYS}"
)
_CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
_US_EAST_1 = "us-east-1"
_PERMISSIONS = (
    "s3:CreateBucket, s3:ListBucket, and s3:Get and s3:Put of BucketPublicAccessBlock, BucketVersioning and"
    " LifecycleConfiguration"
)


class Bucket:
    """A bucket and what is set for it as a whole; `client` is one of boto3's for S3."""

    def __init__(self, client: "BaseClient", name: str) -> None:
        self.name = name
        self._client: Any = client

    def set_up(self, *, versioning: bool) -> Iterator[str]:
        """Make the bucket what results need; yield a line for each thing, whether it was changed or is as wanted.

        Raises:
            StorageRefused: the credentials do not permit it, or the name is another's.
            StorageUnavailable: the server is away; what was told has been done, and doing it again is fine.
        """
        where = f"s3://{self.name}"
        with translate_s3_errors(where), _naming_permissions(where):
            yield self._create()
            yield self._close()
            if versioning:
                yield self._keep_versions()
            yield self._forget()

    def versioning(self) -> str | None:
        """Return whether old versions are kept, Enabled or Suspended, or None if they never were."""
        with translate_s3_errors(f"s3://{self.name}"):
            status: str | None = self._client.get_bucket_versioning(Bucket=self.name).get("Status")
        return status

    def missing_rules(self) -> list[str]:
        """Return the ids of the rules of the lifecycle that are not there, or differ."""
        with translate_s3_errors(f"s3://{self.name}"):
            there = self._lifecycle().get("Rules", [])
        return [rule["ID"] for rule in LIFECYCLE_RULES if rule not in there]

    def _create(self) -> str:
        try:
            self._client.list_objects_v2(Bucket=self.name, MaxKeys=1)
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
        else:
            return "the bucket is there"
        region = self._client.meta.region_name
        place = {} if region == _US_EAST_1 else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._client.create_bucket(Bucket=self.name, **place)
        return f"the bucket is made, in {region}"

    def _close(self) -> str:
        try:
            now = self._client.get_public_access_block(Bucket=self.name)["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if error_code(error) in UNSUPPORTED:
                return "public access: this server has no such setting; see to it that nobody else reads the bucket"
            if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
                raise
            now = {}
        if now == _CLOSED:
            return "public access is blocked"
        self._client.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=_CLOSED)
        return "public access is blocked now"

    def _keep_versions(self) -> str:
        if self._client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled":
            return "old versions are kept"
        self._client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        return "old versions are kept from now on"

    def _forget(self) -> str:
        lifecycle = self._lifecycle()
        there = lifecycle.get("Rules", [])
        if all(rule in there for rule in LIFECYCLE_RULES):
            return LIFECYCLE_SUMMARY
        ours = {rule["ID"] for rule in LIFECYCLE_RULES}
        others = [_in_new_form(rule) for rule in there if rule.get("ID") not in ours]
        self._client.put_bucket_lifecycle_configuration(
            Bucket=self.name,
            LifecycleConfiguration={"Rules": [*others, *LIFECYCLE_RULES]},
            # It would go back to its default otherwise.
            **{name: lifecycle[name] for name in ("TransitionDefaultMinimumObjectSize",) if name in lifecycle},
        )
        also = f", beside {len(others)} rules that were there" if others else ""
        return f"from now on {LIFECYCLE_SUMMARY}{also}"

    def _lifecycle(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._client.get_bucket_lifecycle_configuration(Bucket=self.name)
        except ClientError as error:
            if error_code(error) != "NoSuchLifecycleConfiguration":
                raise
            return {}
        return found


def iam_policy(bucket: str) -> str:
    """Return the IAM policy, in JSON, of who stores results in a bucket: no more than S3Store does."""
    text = (files("coin_pipeline.storage") / "iam-policy.json").read_text("utf-8")
    return text.replace("BUCKET", bucket)


def _in_new_form(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule with its prefix in a filter: S3 takes no rules of both forms beside each other."""
    kept = {name: value for name, value in rule.items() if name != "Prefix"}
    return {"Filter": {"Prefix": rule["Prefix"]}, **kept} if "Prefix" in rule else kept


@contextmanager
def _naming_permissions(where: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in FORBIDDEN:
            raise
        says = f"'coin storage init' needs {_PERMISSIONS}: run it once with an administrator's credentials"
        raise StorageRefused(where, says) from error
