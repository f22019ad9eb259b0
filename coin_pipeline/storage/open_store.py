"""The object store that the settings name: a bucket if they name one, else DATA_ROOT."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from coin_pipeline.errors import StorageRefused
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore

if TYPE_CHECKING:
    from botocore.client import BaseClient

CONNECT_S, CONNECTIONS = 3, 16
_clients: "WeakSet[BaseClient]" = WeakSet()


class StoreTimeouts(NamedTuple):
    """How long a bucket may say nothing, in seconds, before it is asked again, and how often it is asked."""

    read_timeout_s: float
    attempts: int

    @property
    def read_budget_s(self) -> float:
        """Return in how many seconds after its beginning a read that breaks off may begin anew."""
        return self.read_timeout_s * self.attempts


SLOW_TIMEOUTS, FAST_TIMEOUTS = StoreTimeouts(20, 4), StoreTimeouts(5, 2)
"""For programs that have time; for one that holds a thread of few, and somebody who waits, until the bucket answers."""


def open_store(settings: Settings, limits: StoreTimeouts = SLOW_TIMEOUTS) -> ObjectStore:
    """Return the store of results; a process makes one for each set of settings.

    Nothing is asked of a bucket yet: whether it can be used, its first object tells.
    """
    return _open(settings, limits)


def new_client(settings: Settings, limits: StoreTimeouts = SLOW_TIMEOUTS) -> "BaseClient":
    """Return a client of S3 as the settings, and for credentials otherwise the environment and files of AWS, say.

    Raises:
        StorageRefused: a profile, region, endpoint or pair of keys that cannot be one.
    """
    import boto3  # noqa: PLC0415 -- it takes a quarter of a second, which nobody without a bucket shall wait
    from botocore.config import Config  # noqa: PLC0415

    from coin_pipeline.storage.s3_errors import translate_s3_errors  # noqa: PLC0415

    with translate_s3_errors(f"s3://{settings.aws_bucket_name}"), _naming_endpoint(settings):
        session = boto3.session.Session(**_credentials(settings), region_name=settings.aws_region)
        client: BaseClient = session.client(
            "s3",
            region_name=session.region_name or "us-east-1",
            endpoint_url=settings.aws_endpoint_url,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=limits.read_timeout_s,
                max_pool_connections=CONNECTIONS,
                retries={"mode": "standard", "total_max_attempts": limits.attempts},
                s3={"addressing_style": "path" if settings.coin_s3_path_style else "auto"},
            ),
        )
    _clients.add(client)
    return client


@lru_cache(maxsize=4)
def _open(settings: Settings, limits: StoreTimeouts) -> ObjectStore:
    if not settings.aws_bucket_name:
        return LocalStore(settings.data_root)
    from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- as above

    return S3Store(new_client(settings, limits), settings.aws_bucket_name, limits.read_budget_s)


def _close_clients() -> None:
    """Keep a forked worker from talking over its parent's connections: closed, a client opens others."""
    for client in list(_clients):
        client.close()


os.register_at_fork(after_in_child=_close_clients)


def _credentials(settings: Settings) -> dict[str, str]:
    given = {
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": settings.aws_secret_access_key,
        "aws_session_token": settings.aws_session_token,
    }
    if bool(settings.aws_access_key_id) != bool(settings.aws_secret_access_key):
        says = "of the pair AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set; set both or neither"
        raise StorageRefused(f"s3://{settings.aws_bucket_name}", says)
    return {name: value.get_secret_value() for name, value in given.items() if value}


@contextmanager
def _naming_endpoint(settings: Settings) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # botocore's own word for a host that cannot be one
        says = f"{settings.aws_endpoint_url} is not a server's address; correct AWS_ENDPOINT_URL"
        raise StorageRefused(f"s3://{settings.aws_bucket_name}", says) from error
