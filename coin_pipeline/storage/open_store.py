"""The configured object store: a bucket if AWS_BUCKET_NAME is set, otherwise DATA_ROOT."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from coin_pipeline.errors import InvalidSettings, Problem, StorageRefused
from coin_pipeline.settings import Settings
from coin_pipeline.storage.archived import ArchivedStore, archived_ids
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from coin_pipeline.storage.s3 import S3Store

CONNECT_S, CONNECTIONS = 3, 16
_clients: "WeakSet[BaseClient]" = WeakSet()


class StoreTimeouts(NamedTuple):
    """The read timeout of a bucket in seconds, and the number of attempts for each request."""

    read_timeout_s: float
    attempts: int

    @property
    def read_budget_s(self) -> float:
        """Seconds after its start within which an interrupted read may start over."""
        return self.read_timeout_s * self.attempts


SLOW_TIMEOUTS, FAST_TIMEOUTS = StoreTimeouts(20, 4), StoreTimeouts(5, 2)
"""Timeouts for batch programs, and for the API, where each request occupies one of few threads."""


def open_store(settings: Settings, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> ObjectStore:
    """Return the configured store, one per process and set of settings.

    The bucket is not accessed yet: whether it is usable shows at the first request.
    """
    return _open(settings, timeouts)


def open_archive(settings: Settings, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> ObjectStore:
    """Return the bucket COIN_ARCHIVE_BUCKET.

    Raises:
        InvalidSettings: It is not set.
    """
    if not settings.coin_archive_bucket:
        reason = "names no bucket; set it to the bucket that old results are moved to"
        raise InvalidSettings([Problem("COIN_ARCHIVE_BUCKET", reason)])
    return _open_bucket(settings, settings.coin_archive_bucket, timeouts)


def open_folder(settings: Settings, folder: str, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> "S3Store":
    """Return the store of one folder of the bucket of the results.

    Raises:
        InvalidSettings: AWS_BUCKET_NAME is not set.
    """
    if not settings.aws_bucket_name:
        reason = "names no bucket, which candles in a bucket need; set it, and COIN_CANDLES to local until then"
        raise InvalidSettings([Problem("AWS_BUCKET_NAME", reason)])
    return _shared_bucket(settings, settings.aws_bucket_name, timeouts).folder(folder)  # all series share its client


def new_client(settings: Settings, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> "BaseClient":
    """Return an S3 client for the configured bucket; missing credentials come from the AWS credential chain.

    Raises:
        StorageRefused: A profile, region, endpoint or key pair is malformed.
    """
    import boto3  # noqa: PLC0415 -- the import takes 250 ms, which only users of a bucket should pay
    from botocore.config import Config  # noqa: PLC0415

    from coin_pipeline.storage.s3_errors import translate_s3_errors  # noqa: PLC0415

    with translate_s3_errors(_bucket_url(settings)), _explain_endpoint(settings):
        session = boto3.session.Session(**_credentials(settings), region_name=settings.aws_region)
        client: BaseClient = session.client(
            "s3",
            region_name=session.region_name or "us-east-1",
            endpoint_url=settings.aws_endpoint_url,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=timeouts.read_timeout_s,
                max_pool_connections=CONNECTIONS,
                retries={"mode": "standard", "total_max_attempts": timeouts.attempts},
                s3={"addressing_style": "path" if settings.coin_s3_path_style else "auto"},
            ),
        )
    _clients.add(client)
    return client


@lru_cache(maxsize=4)
def _open(settings: Settings, timeouts: StoreTimeouts) -> ObjectStore:
    if settings.aws_bucket_name:
        return _open_bucket(settings, settings.aws_bucket_name, timeouts)
    local = LocalStore(settings.data_root)
    if not settings.coin_archive_bucket and next(archived_ids(local), None):
        reason = f"is not set, but results of {settings.data_root} were moved to a bucket; name that bucket"
        raise InvalidSettings([Problem("COIN_ARCHIVE_BUCKET", reason)])
    return ArchivedStore(local, partial(open_archive, settings, timeouts)) if settings.coin_archive_bucket else local


@lru_cache(maxsize=2)
def _shared_bucket(settings: Settings, name: str, timeouts: StoreTimeouts) -> "S3Store":
    return _open_bucket(settings, name, timeouts)


def _open_bucket(settings: Settings, name: str, timeouts: StoreTimeouts) -> "S3Store":
    from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- as above

    return S3Store(new_client(settings, timeouts), name, timeouts.read_budget_s)


def _close_clients() -> None:
    """Close inherited clients in a forked worker, which would otherwise share connections with its parent.

    A closed client opens new connections when it is used again.
    """
    for client in list(_clients):
        client.close()


os.register_at_fork(after_in_child=_close_clients)


def _bucket_url(settings: Settings) -> str:
    return f"s3://{settings.aws_bucket_name or settings.coin_archive_bucket}"


def _credentials(settings: Settings) -> dict[str, str]:
    secrets = {
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": settings.aws_secret_access_key,
        "aws_session_token": settings.aws_session_token,
    }
    if bool(settings.aws_access_key_id) != bool(settings.aws_secret_access_key):
        reason = "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or neither"
        raise StorageRefused(_bucket_url(settings), reason)
    return {name: value.get_secret_value() for name, value in secrets.items() if value}


@contextmanager
def _explain_endpoint(settings: Settings) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # botocore raises it for an impossible host name
        reason = f"{settings.aws_endpoint_url} is not a valid server address; correct AWS_ENDPOINT_URL"
        raise StorageRefused(_bucket_url(settings), reason) from error
