"""A bucket behind a proxy that injects faults, and the operations to try on it."""

from collections.abc import Callable, Iterator

import pytest
from botocore.config import Config

from coin_pipeline.storage.s3 import MULTIPART_THRESHOLD_BYTES, S3Store
from tests.faulty_s3 import FaultyS3, Request
from tests.s3 import S3Server

DATA = bytes(range(256)) * 40

LARGE = MULTIPART_THRESHOLD_BYTES + 1

OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "put": lambda store: store.put("new", DATA),
    "overwrite": lambda store: store.put("new", DATA, overwrite=True),
    "get": lambda store: store.get("there"),
    "info": lambda store: store.info("there")._replace(modified=None),  # type: ignore[arg-type]
    "exists": lambda store: store.exists("there"),
    "list": lambda store: [entry.key for entry in store.entries()],
    "delete": lambda store: store.delete("gone"),
}


@pytest.fixture
def faulty(s3_server: S3Server) -> Iterator[FaultyS3]:
    """Yield a proxy to the server, without faults yet."""
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def direct(s3_server: S3Server) -> S3Store:
    """Return a store with one object that bypasses the proxy; tests share the bucket because the server allows few."""
    store = s3_server.store("faults")
    for key in list(store.keys()):
        store.delete(key)
    store.put("there", DATA, metadata={"of": "before"})
    return store


@pytest.fixture
def store(s3_server: S3Server, faulty: FaultyS3, direct: S3Store) -> S3Store:
    """Return the same bucket through the proxy, with a client that does not retry."""
    return proxied_store(faulty, s3_server, direct.bucket)


def proxied_store(
    faulty: FaultyS3, server: S3Server, bucket: str, attempts: int = 1, read_s: float = 20, read_budget_s: float = 60
) -> S3Store:
    """Return a store behind the proxy; nothing is requested yet."""
    config = Config(
        connect_timeout=2,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path"},
    )
    return S3Store(server.client(endpoint_url=faulty.endpoint, config=config), bucket, read_budget_s)


def to(method: str, query: str = "") -> Callable[[Request], bool]:
    """Return a predicate that selects requests by method and by a part of their query."""
    return lambda request: request.method == method and query in request.path.partition("?")[2]


def uploads(store: S3Store) -> list[str]:
    """Return the keys of uploads that were neither completed nor aborted."""
    return [item["Key"] for item in store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])]
