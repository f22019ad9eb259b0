"""Bucket setup: creation, public-access block, versioning, lifecycle rules, and the IAM policy for applications."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from coin_pipeline.errors import StorageRefused, StorageUnsupported
from coin_pipeline.storage.s3_errors import FORBIDDEN, UNSUPPORTED, error_code, translate_s3_errors

if TYPE_CHECKING:
    from botocore.client import BaseClient

PREFIX, RETENTION_DAYS, OLD_VERSION_DAYS, INCOMPLETE_UPLOAD_DAYS = "backtests/", 30, 7, 1
LIFECYCLE_RULES: Sequence[Mapping[str, Any]] = (
    {
        "ID": "coin-backtests",
        "Status": "Enabled",
        "Filter": {"Prefix": PREFIX},
        "Expiration": {"Days": RETENTION_DAYS},
        # With versioning, expiration only hides an object; this rule removes the hidden versions.
        "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
    },
    {
        "ID": "coin-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INCOMPLETE_UPLOAD_DAYS},
    },
)
"""Lifecycle rules that `coin storage init` sets; rules with other ids are left unchanged."""
LIFECYCLE_SUMMARY = (
    f"objects under {PREFIX} expire after {RETENTION_DAYS} days and their old versions after {OLD_VERSION_DAYS};"
    f" incomplete uploads are aborted after {INCOMPLETE_UPLOAD_DAYS} day"
)
_BLOCK_ALL = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
_US_EAST_1 = "us-east-1"
_PERMISSIONS = (
    "s3:CreateBucket, s3:ListBucket, and s3:Get and s3:Put of BucketPublicAccessBlock, BucketVersioning and"
    " LifecycleConfiguration"
)


class Bucket:
    """A bucket and its settings.

    Args:
        client: A boto3 S3 client.
        name: Name of the bucket.
    """

    def __init__(self, client: "BaseClient", name: str) -> None:
        self.name = name
        self._client: Any = client

    def set_up(self, *, versioning: bool) -> Iterator[str]:
        """Create and configure the bucket; running it again changes nothing.

        Args:
            versioning: Whether to enable versioning. False leaves it unchanged.

        Yields:
            One line for each setting, whether it was changed or was already correct.

        Raises:
            StorageRefused: The credentials lack permissions, or the bucket name is taken.
            StorageUnavailable: The server is unavailable. The settings yielded so far have been applied.
        """
        where = f"s3://{self.name}"
        with translate_s3_errors(where), _explain_permissions(where):
            yield self._create()
            yield self._block_public_access()
            if versioning:
                yield self._enable_versioning()
            yield self._set_lifecycle()

    def versioning(self) -> str | None:
        """Return the versioning status, Enabled or Suspended, or None if versioning was never enabled."""
        with translate_s3_errors(f"s3://{self.name}"), _detect_unsupported(f"s3://{self.name}"):
            status: str | None = self._client.get_bucket_versioning(Bucket=self.name).get("Status")
        return status

    def missing_rules(self) -> list[str]:
        """Return the ids of the lifecycle rules that are missing or different."""
        with translate_s3_errors(f"s3://{self.name}"), _detect_unsupported(f"s3://{self.name}"):
            present = self._lifecycle().get("Rules", [])
        return [rule["ID"] for rule in LIFECYCLE_RULES if rule not in present]

    def _create(self) -> str:
        try:
            self._client.list_objects_v2(Bucket=self.name, MaxKeys=1)
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
        else:
            return "the bucket exists"
        region = self._client.meta.region_name
        location = {} if region == _US_EAST_1 else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._client.create_bucket(Bucket=self.name, **location)
        return f"created the bucket in {region}"

    def _block_public_access(self) -> str:
        try:
            current = self._client.get_public_access_block(Bucket=self.name)["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if error_code(error) in UNSUPPORTED:
                return "public access: this server has no such setting; make sure that the bucket is not public"
            if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
                raise
            current = {}
        if current == _BLOCK_ALL:
            return "public access is blocked"
        self._client.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=_BLOCK_ALL)
        return "blocked public access"

    def _enable_versioning(self) -> str:
        try:
            if self._client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled":
                return "versioning is enabled"
            self._client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        except ClientError as error:
            if error_code(error) not in UNSUPPORTED:
                raise
            return "versioning: this server does not have it; replaced and deleted objects are not kept"
        return "enabled versioning"

    def _set_lifecycle(self) -> str:
        try:
            return self._merge_lifecycle()
        except ClientError as error:
            if error_code(error) not in UNSUPPORTED:
                raise
        return f"lifecycle: this server does not have it; see to it that {LIFECYCLE_SUMMARY}"

    def _merge_lifecycle(self) -> str:
        lifecycle = self._lifecycle()
        present = lifecycle.get("Rules", [])
        if all(rule in present for rule in LIFECYCLE_RULES):
            return f"lifecycle: {LIFECYCLE_SUMMARY}"
        own_ids = {rule["ID"] for rule in LIFECYCLE_RULES}
        others = [_with_filter(rule) for rule in present if rule.get("ID") not in own_ids]
        self._client.put_bucket_lifecycle_configuration(
            Bucket=self.name,
            LifecycleConfiguration={"Rules": [*others, *LIFECYCLE_RULES]},
            # S3 would reset this setting to its default otherwise.
            **{name: lifecycle[name] for name in ("TransitionDefaultMinimumObjectSize",) if name in lifecycle},
        )
        kept = f"; {len(others)} existing rules are kept" if others else ""
        return f"set the lifecycle: {LIFECYCLE_SUMMARY}{kept}"

    def _lifecycle(self) -> dict[str, Any]:
        try:
            configuration: dict[str, Any] = self._client.get_bucket_lifecycle_configuration(Bucket=self.name)
        except ClientError as error:
            if error_code(error) != "NoSuchLifecycleConfiguration":
                raise
            return {}
        return configuration


def iam_policy(bucket: str) -> str:
    """Return the IAM policy, as JSON, that grants exactly what S3Store needs for a bucket."""
    text = (files("coin_pipeline.storage") / "iam-policy.json").read_text("utf-8")
    return text.replace("BUCKET", bucket)


def _with_filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule with its prefix in a filter: S3 rejects a mixture of both forms."""
    rest = {name: value for name, value in rule.items() if name != "Prefix"}
    return {"Filter": {"Prefix": rule["Prefix"]}, **rest} if "Prefix" in rule else rest


@contextmanager
def _detect_unsupported(where: str) -> Iterator[None]:
    """Raise StorageUnsupported for a setting that the server does not have, with or without a reason in its answer."""
    try:
        yield
    except ClientError as error:
        if error_code(error) not in UNSUPPORTED:
            raise
        raise StorageUnsupported(where) from error


@contextmanager
def _explain_permissions(where: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in FORBIDDEN:
            raise
        reason = f"'coin storage init' needs {_PERMISSIONS}; run it once with an administrator's credentials"
        raise StorageRefused(where, reason) from error
