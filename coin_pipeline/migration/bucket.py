"""The bucket of results, made if it is missing."""

from botocore.exceptions import ClientError

from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import new_client
from coin_pipeline.storage.s3_errors import code_of, speaking

_MISSING, _DEFAULT_REGION = {"404", "NoSuchBucket"}, "us-east-1"


def make_bucket(settings: Settings) -> bool:
    """Make the bucket that the settings name unless it is there; return whether it was made.

    Raises:
        StorageRefused, StorageUnavailable: it cannot be seen or made.
    """
    bucket, client = str(settings.aws_bucket_name), new_client(settings)
    region = client.meta.region_name
    elsewhere = {} if region == _DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with speaking(f"s3://{bucket}"):
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if code_of(error) not in _MISSING:
                raise
            client.create_bucket(Bucket=bucket, **elsewhere)
            return True
    return False
