"""Candles in a bucket whose server fails, is full, or was changed by others."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from botocore.config import Config

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES
from coin_pipeline.candles.year_files.bucket import BucketPlace
from coin_pipeline.errors import InvalidCandleFile, ObjectChanged, ObjectCorrupt, StorageFull, StorageUnavailable
from coin_pipeline.storage.piece_cache import PieceCache
from coin_pipeline.storage.s3 import S3Store
from tests.faulty_s3 import FaultyS3, Forward, Request, Response, cut, refusal, response_lost

if TYPE_CHECKING:
    from tests.s3 import S3Server

DAILY, MINUTELY = TIMEFRAMES["1d"], TIMEFRAMES["1m"]
FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
FILE = "BTC_KRW/1D/2024.parquet"


class Proxied(NamedTuple):
    """A catalog whose requests pass a proxy, the proxy, and the store of its files."""

    catalog: CandleCatalog
    faulty: FaultyS3
    files: S3Store

    def count(self) -> int:
        """Return the number of stored daily candles."""
        return len(self.catalog.read("BTC_KRW", DAILY, FIRST, LAST))


@pytest.fixture
def proxied(s3_server: "S3Server", tmp_path: Path) -> Iterator[Proxied]:
    """A catalog in a new folder of a bucket, with three daily candles."""
    faulty = FaultyS3(s3_server.endpoint)
    faulty.start()
    name = s3_server.store("faulty-candles").bucket
    config = Config(
        connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}, s3={"addressing_style": "path"}
    )
    store = S3Store(s3_server.client(endpoint_url=faulty.endpoint, config=config), name, 60, uuid.uuid4().hex)
    files = store.folder("candles")
    catalog = CandleCatalog(tmp_path, BucketPlace(files, store.folder("locks"), PieceCache(tmp_path / "cache", 2**26)))
    catalog.merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, FIRST, 3))
    yield Proxied(catalog, faulty, files)
    faulty.stop()


def writes_candles(request: Request) -> bool:
    """Whether a request stores a year file."""
    return request.method == "PUT" and request.path.partition("?")[0].endswith(".parquet")


def reads_candles(request: Request) -> bool:
    """Whether a request reads from a year file."""
    return request.method == "GET" and request.path.partition("?")[0].endswith(".parquet")


def test_a_server_that_is_away_is_named(proxied: Proxied) -> None:
    """The message has its address, and what to check."""
    proxied.faulty.stop()
    with pytest.raises(StorageUnavailable, match=rf"{proxied.faulty.endpoint}.*check AWS_ENDPOINT_URL"):
        proxied.count()


def test_a_read_that_is_cut_starts_over(proxied: Proxied) -> None:
    """The caller does not notice."""
    proxied.faulty.inject(cut, 1, reads_candles)
    assert proxied.count() == 3
    assert proxied.faulty.met == 1


def test_a_server_without_range_reads_is_an_error(proxied: Proxied) -> None:
    """It sends the whole file; its first bytes are not taken for those of the range."""
    proxied.catalog.merge("BTC_KRW", MINUTELY, synthetic_candles(1, MINUTELY, FIRST, 50_000))
    whole = proxied.files.get("BTC_KRW/1M/2024.parquet")

    def ignore_range(request: Request, forward: Forward) -> Response:
        return replace(forward(request), status=200, body=whole)

    proxied.faulty.inject(ignore_range, hits=reads_candles)
    with pytest.raises(ObjectCorrupt, match=rf"sent {len(whole):,} bytes, not the [0-9,]+ of the requested range"):
        proxied.catalog.read("BTC_KRW", MINUTELY, FIRST, LAST)


def test_a_full_store_keeps_the_old_candles(proxied: Proxied) -> None:
    """The merge is one error, and can be repeated once there is space."""
    candles = synthetic_candles(1, DAILY, FIRST, 5)
    proxied.faulty.inject(refusal(507, "InsufficientStorage", "disk full"), hits=writes_candles)
    with pytest.raises(StorageFull, match=r"disk full.*free some space"):
        proxied.catalog.merge("BTC_KRW", DAILY, candles)
    assert proxied.count() == 3
    proxied.faulty.heal()
    assert proxied.catalog.merge("BTC_KRW", DAILY, candles).added == 2
    assert proxied.count() == 5


def test_a_write_with_a_lost_response_succeeds(proxied: Proxied) -> None:
    """The client repeats it, and finds its own bytes under the condition that failed."""
    proxied.faulty.inject(response_lost, 1, writes_candles)
    assert proxied.catalog.merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, FIRST, 5)).added == 2
    assert proxied.faulty.met == 1
    assert proxied.count() == 5


def test_candles_that_were_deleted_are_not_read_from_a_listing(proxied: Proxied) -> None:
    """A listed file that is gone has changed; the next listing does not have it."""
    (file,) = proxied.catalog.place.series("BTC_KRW", DAILY).files()
    proxied.files.delete(FILE)
    with pytest.raises(ObjectChanged, match=FILE), file.open():
        pytest.fail("a file that is gone was read")
    assert proxied.count() == 0


def test_a_file_is_removed_in_the_version_that_was_read(proxied: Proxied) -> None:
    """A server with conditional deletions keeps one that another process has replaced."""
    proxied.faulty.inject(refusal(412, "PreconditionFailed"), hits=lambda request: request.path.endswith(FILE))
    (file,) = proxied.catalog.place.series("BTC_KRW", DAILY).files()
    with pytest.raises(ObjectChanged, match=FILE):
        file.remove()
    sent = {name.lower(): value for name, value in proxied.faulty.seen[-1].headers.items()}
    proxied.faulty.heal()
    (version,) = proxied.files.versions()
    assert sent["if-match"] == version.etag


def test_an_empty_file_is_damaged(proxied: Proxied) -> None:
    """A range of no bytes cannot be requested."""
    proxied.files.put(FILE, b"", overwrite=True)
    with pytest.raises(InvalidCandleFile, match=rf"{FILE}: cannot be read as Parquet"):
        proxied.count()


def reads_rows(request: Request) -> bool:
    """Whether a request reads row groups of a year file of minutes, not its end."""
    return reads_candles(request) and "/1M/" in request.path and request.headers["Range"].startswith("bytes=4-")


def test_candles_of_several_years_are_requested_together(proxied: Proxied) -> None:
    """Each response waits until both requests have arrived."""
    proxied.catalog.merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, date(2023, 12, 1), 60))
    together = threading.Barrier(2, timeout=20)

    def wait_for_other(request: Request, forward: Forward) -> Response:
        together.wait()
        return forward(request)

    proxied.faulty.inject(wait_for_other, hits=reads_candles)
    assert len(proxied.catalog.read("BTC_KRW", DAILY, date(2023, 12, 1), LAST)) == 60
    assert proxied.faulty.met == 2


def test_a_cut_response_with_several_row_groups_starts_over(proxied: Proxied) -> None:
    """Some of them have arrived before; all are read in one request."""
    candles = synthetic_candles(1, MINUTELY, FIRST, 200_000)
    proxied.catalog.merge("BTC_KRW", MINUTELY, candles)
    proxied.faulty.inject(cut, 1, reads_rows)
    assert np.array_equal(proxied.catalog.read("BTC_KRW", MINUTELY, FIRST, LAST).close, candles.close)
    assert proxied.faulty.met == 1


def test_damaged_candles_are_not_stored_in_the_cache(proxied: Proxied, tmp_path: Path) -> None:
    """Only what was read without an error is; a server that sends the right bytes later is asked again."""
    candles = synthetic_candles(1, MINUTELY, FIRST, 50_000)
    proxied.catalog.merge("BTC_KRW", MINUTELY, candles)

    def damage(request: Request, forward: Forward) -> Response:
        response = forward(request)
        body = bytearray(response.body)
        body[len(body) // 2] ^= 1
        return replace(response, body=bytes(body))

    proxied.faulty.inject(damage, 1, reads_rows)
    with pytest.raises(InvalidCandleFile, match=r"BTC_KRW/1M/2024.parquet: cannot be read as Parquet"):
        proxied.catalog.read("BTC_KRW", MINUTELY, FIRST, LAST)
    cached = [path.stat().st_size for path in (tmp_path / "cache").glob("*")]
    assert np.array_equal(proxied.catalog.read("BTC_KRW", MINUTELY, FIRST, LAST).close, candles.close)
    rows = max(path.stat().st_size for path in (tmp_path / "cache").iterdir())
    assert rows not in cached
