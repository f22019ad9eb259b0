"""The object store that the settings name: a bucket if they name one, else DATA_ROOT."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore

if TYPE_CHECKING:
    from botocore.client import BaseClient

CONNECT_S, READ_S, ATTEMPTS, CONNECTIONS = 3, 20, 4, 16


def open_store(settings: Settings) -> ObjectStore:
    """Return the store of results; a process makes one for each set of settings.

    Nothing is asked of a bucket yet: whether it can be used, its first object tells.
    """
    return _open(settings)


def new_client(settings: Settings) -> "BaseClient":
    """Return a client of S3 as the settings, and for credentials otherwise the environment and files of AWS, say.

    Raises:
        StorageRefused: a profile, region or endpoint that cannot be one.
    """
    import boto3  # noqa: PLC0415 -- it takes a quarter of a second, which nobody without a bucket shall wait
    from botocore.config import Config  # noqa: PLC0415

    from coin_pipeline.storage.s3_errors import speaking  # noqa: PLC0415

    with speaking(f"s3://{settings.aws_bucket_name}"):
        session = boto3.session.Session(**_credentials(settings), region_name=settings.aws_region)
        client: BaseClient = session.client(
            "s3",
            region_name=session.region_name or "us-east-1",
            endpoint_url=settings.aws_endpoint_url,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                max_pool_connections=CONNECTIONS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                s3={"addressing_style": "path" if settings.coin_s3_path_style else "auto"},
            ),
        )
    return client


@lru_cache(maxsize=4)
def _open(settings: Settings) -> ObjectStore:
    if not settings.aws_bucket_name:
        return LocalStore(settings.data_root)
    from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- as above

    client = new_client(settings)
    # A forked worker must not talk over its parent's connections; closed, the client opens others.
    os.register_at_fork(after_in_child=client.close)
    return S3Store(client, settings.aws_bucket_name)


def _credentials(settings: Settings) -> dict[str, str]:
    given = {
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": settings.aws_secret_access_key,
        "aws_session_token": settings.aws_session_token,
    }
    return {name: value.get_secret_value() for name, value in given.items() if value}
