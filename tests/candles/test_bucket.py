"""Candles in a bucket: the same answers as from a folder, from as few bytes as possible."""

import shutil
import threading
import uuid
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from coin_pipeline.candles.audit.report import audit_json
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES
from coin_pipeline.candles.year_files.bucket import BucketPlace
from coin_pipeline.candles.year_files.places import retry_if_changed
from coin_pipeline.errors import InvalidCandleFile, InvalidInput, ObjectChanged, SeriesInUse
from coin_pipeline.ledger.marks import CandleMarks, price_of
from coin_pipeline.storage.piece_cache import PieceCache

if TYPE_CHECKING:
    from coin_pipeline.storage.s3 import S3Store
    from tests.s3 import S3Server

DAILY, HOURLY, MINUTELY = TIMEFRAMES["1d"], TIMEFRAMES["1h"], TIMEFRAMES["1m"]
NEW_YEAR, LAST = date(2024, 1, 1), date(2024, 12, 31)
FILE = "BTC_KRW/1D/2024.parquet"
_BUCKET = "candles"


class Bucket:
    """A new folder of a bucket, and the requests for its candles."""

    def __init__(self, server: "S3Server", folder: Path) -> None:
        name = uuid.uuid4().hex
        self.files, self.locks = (_folder(server, f"{name}/{part}") for part in ("candles", "locks"))
        self.cache = PieceCache(folder / "cache", 64 << 20)
        self.cached = folder / "cache"
        self.root = folder
        self.requests: list[tuple[str, str]] = []
        self.files.client.meta.events.register("before-call.s3", self._count)

    def catalog(self, lease_s: float = 30) -> CandleCatalog:
        """Return the catalog as a new process opens it."""
        return CandleCatalog(self.root, BucketPlace(self.files, self.locks, self.cache, lease_s))

    def asked(self) -> list[tuple[str, str]]:
        """Return operation and range of the requests since the last call, without those of the locks."""
        requests, self.requests = self.requests, []
        return requests

    def _count(self, model: Any, params: dict[str, Any], **_: object) -> None:  # noqa: ANN401 -- botocore's
        self.requests.append((model.name, params["headers"].get("Range", "")))


def _folder(server: "S3Server", folder: str) -> "S3Store":
    from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- other tests need no client

    server.store(_BUCKET)
    return S3Store(server.client(), _BUCKET, folder=folder)


@pytest.fixture
def bucket(s3_server: "S3Server", tmp_path: Path) -> Bucket:
    """An empty folder of a bucket."""
    return Bucket(s3_server, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> CandleCatalog:
    """An empty catalog in a folder."""
    return CandleCatalog(tmp_path / "local")


def test_both_places_store_the_same_files_and_give_the_same_answers(bucket: Bucket, local: CandleCatalog) -> None:
    """Merges of new, equal and changed candles with provenance, over two years."""
    stored = bucket.catalog()
    candles = synthetic_candles(1, DAILY, date(2023, 11, 1), 120)
    changed = candles.rows(slice(60, 100))._replace(volume=candles.volume[60:100] + 1)
    fetched = (int(candles.time[0]), int(candles.time[50]))
    for part, intervals, source in ((candles, (fetched,), "upbit"), (candles, (), None), (changed, (), None)):
        reports = [place.merge("BTC_KRW", DAILY, part, fetched=intervals, source=source) for place in (stored, local)]
        assert reports[0] == reports[1]
    for key in ("BTC_KRW/1D/2023.parquet", FILE):
        assert bucket.files.get(key) == (local.root / key).read_bytes()
    assert stored.inventory() == local.inventory()
    assert stored.symbols() == local.symbols()
    assert stored.provenance("BTC_KRW", DAILY) == local.provenance("BTC_KRW", DAILY)
    loaded = [place.load("BTC_KRW", DAILY, date(2023, 12, 1), date(2024, 1, 15)) for place in (stored, local)]
    assert loaded[0].snapshot == loaded[1].snapshot
    for ours, theirs in zip(*(item.candles for item in loaded), strict=True):
        assert np.array_equal(ours, theirs)
    audits = [audit_json(audit_series(place, "BTC_KRW", DAILY)) for place in (stored, local)]
    assert audits[0] == audits[1]


def test_a_read_asks_for_the_row_groups_of_its_range_only(bucket: Bucket) -> None:
    """A year of minutes has nine; a known part is read from the cache after one listing."""
    bucket.catalog().merge("BTC_KRW", MINUTELY, synthetic_candles(1, MINUTELY, NEW_YEAR, 366 * 1440))
    size = bucket.files.info("BTC_KRW/1M/2024.parquet").size
    bucket.asked()
    days = date(2024, 6, 1), date(2024, 6, 2)
    first = bucket.catalog().read("BTC_KRW", MINUTELY, *days)
    listing, tail, groups = bucket.asked()
    assert (listing[0], tail[1]) == ("ListObjectsV2", f"bytes={size - 2**16}-{size - 1}")
    start, end = map(int, groups[1].removeprefix("bytes=").split("-"))
    assert 0 < end - start < size / 7
    again = bucket.catalog().read("BTC_KRW", MINUTELY, *days)
    assert bucket.asked() == [("ListObjectsV2", "")]
    assert np.array_equal(first.close, again.close)
    bucket.catalog().read("BTC_KRW", MINUTELY, NEW_YEAR, LAST)
    assert [kind for kind, _ in bucket.asked()] == ["ListObjectsV2", *["GetObject"] * 3]  # 2023; the others


def test_a_summary_reads_the_end_of_a_file_only(bucket: Bucket) -> None:
    """`coin candles list` of thousands of files downloads no candles, and all footers are cached."""
    for symbol in ("BTC_KRW", "ETH_KRW"):
        bucket.catalog().merge(symbol, MINUTELY, synthetic_candles(1, MINUTELY, date(2024, 1, 2), 50_000))
    bucket.asked()
    series, broken = bucket.catalog().inventory()
    assert ([item.rows for item in series], broken) == ([50_000, 50_000], [])
    assert [kind for kind, _ in bucket.asked()] == ["ListObjectsV2", "GetObject", "GetObject"]
    bucket.catalog().inventory()
    assert [kind for kind, _ in bucket.asked()] == ["ListObjectsV2"]


def test_a_damaged_copy_in_the_cache_is_read_again(bucket: Bucket) -> None:
    """The disk of the cache is not what the bucket is."""
    bucket.catalog().merge("BTC_KRW", MINUTELY, synthetic_candles(1, MINUTELY, NEW_YEAR, 50_000))
    expected = bucket.catalog().read("BTC_KRW", MINUTELY, NEW_YEAR, LAST)
    copies = list(bucket.cached.iterdir())
    for path in copies:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    again = bucket.catalog().read("BTC_KRW", MINUTELY, NEW_YEAR, LAST)
    assert copies
    assert np.array_equal(expected.close, again.close)


def test_a_damaged_file_in_the_bucket_is_named(bucket: Bucket) -> None:
    """The message is that of a file in a folder."""
    bucket.files.put(FILE, b"PAR1 no more PAR1")
    with pytest.raises(InvalidCandleFile, match=r"BTC_KRW/1D/2024.parquet: cannot be read as Parquet"):
        bucket.catalog().read("BTC_KRW", DAILY, NEW_YEAR, LAST)
    assert len(bucket.catalog().inventory()[1]) == 1


def test_writers_of_one_series_take_turns(bucket: Bucket) -> None:
    """Each stores its candles into the same file; none is lost."""
    candles = synthetic_candles(1, HOURLY, NEW_YEAR, 400)
    parts = [candles.rows(slice(start, start + 100)) for start in range(0, 400, 100)]
    threads = [threading.Thread(target=bucket.catalog().merge, args=("BTC_KRW", HOURLY, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(bucket.catalog().read("BTC_KRW", HOURLY, NEW_YEAR, LAST).time, candles.time)


def test_the_lock_of_a_killed_writer_is_taken_over(bucket: Bucket) -> None:
    """It expires; until then others wait."""
    abandoned = bucket.catalog(lease_s=-1).place.series("BTC_KRW", DAILY)
    waiting = abandoned._acquire(deadline=0)  # type: ignore[attr-defined]
    with pytest.raises(SeriesInUse, match=r"the candles of BTC_KRW/1D are being changed by process \d+ on "):
        bucket.catalog().place.series("BTC_KRW", DAILY)._acquire(deadline=0)  # type: ignore[attr-defined]
    bucket.catalog(lease_s=-1).merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 3))
    waiting.release()
    assert len(bucket.catalog().read("BTC_KRW", DAILY, NEW_YEAR, LAST)) == 3


def test_a_writer_that_lost_its_lock_replaces_nothing(bucket: Bucket) -> None:
    """It paused for longer than its lease while another process stored candles."""
    bucket.catalog().merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 3))
    (seen,) = bucket.catalog().place.series("BTC_KRW", DAILY).files()
    bucket.catalog().merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 5))
    with pytest.raises(ObjectChanged, match="was changed by another process meanwhile; run it again"):
        seen.replace(b"old")
    with pytest.raises(ObjectChanged):
        bucket.catalog().place.series("BTC_KRW", DAILY).new_file(2024).replace(b"new")
    assert len(bucket.catalog().read("BTC_KRW", DAILY, NEW_YEAR, LAST)) == 5


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(bucket: Bucket) -> None:
    """Footer and row groups are never of two versions."""
    catalog = bucket.catalog()
    catalog.merge("BTC_KRW", MINUTELY, synthetic_candles(1, MINUTELY, NEW_YEAR, 100_000))
    old, new = catalog.place.series("BTC_KRW", MINUTELY), iter([synthetic_candles(2, MINUTELY, NEW_YEAR, 100_000)])

    def read() -> int:
        for candles in new:  # once
            files = old.files()
            catalog.merge("BTC_KRW", MINUTELY, candles)
            shutil.rmtree(bucket.cached)
            with files[0].open():
                pytest.fail("a version that is gone was read")
        return len(catalog.read("BTC_KRW", MINUTELY, NEW_YEAR, LAST))

    assert retry_if_changed(read) == 100_000


def test_rules_across_years_hold(bucket: Bucket) -> None:
    """One exchange for a series, whichever year is stored first."""
    candles = synthetic_candles(1, DAILY, date(2023, 12, 1), 62)
    interval = int(candles.time[0]), int(candles.time[-1])
    bucket.catalog().merge("BTC_KRW", DAILY, candles, fetched=(interval,), source="upbit")
    later = synthetic_candles(1, DAILY, date(2025, 1, 1), 3)
    with pytest.raises(InvalidInput, match="was fetched from upbit, not from binance"):
        bucket.catalog().merge("BTC_KRW", DAILY, later, fetched=((1, 2),), source="binance")


def test_series_in_the_spelling_of_the_legacy_platform(bucket: Bucket, local: CandleCatalog) -> None:
    """They are read and extended in place; stored twice, they are an error in the list of all series."""
    local.merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 3))
    content = (local.root / FILE).read_bytes()
    bucket.files.put("KRW-BTC/1d/2024.parquet", content)
    assert len(bucket.catalog().read("BTC_KRW", DAILY, NEW_YEAR, LAST)) == 3
    report = bucket.catalog().merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 5))
    assert report.files == ("KRW-BTC/1d/2024.parquet",)
    bucket.files.put(FILE, content)
    assert "stored in KRW-BTC/1d too" in str(bucket.catalog().inventory()[1])


def test_removed_candles_and_files(bucket: Bucket) -> None:
    """The last candle of a year takes its file with it."""
    candles = synthetic_candles(1, DAILY, NEW_YEAR, 3)
    bucket.catalog().merge("BTC_KRW", DAILY, candles)
    report = bucket.catalog().merge("BTC_KRW", DAILY, candles.rows(slice(0)), remove=candles.time)
    assert (report.removed, list(bucket.files.keys())) == (3, [])


def test_prices_of_positions(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new candle counts once the state of the market is listed again."""
    monkeypatch.setattr("coin_pipeline.candles.year_files.bucket._STATE_S", -1.0)
    marks = CandleMarks(bucket.catalog().place)
    assert marks.newest("BTC_KRW") is None
    for bars in (3, 4):
        candles = synthetic_candles(1, DAILY, NEW_YEAR, bars)
        bucket.catalog().merge("BTC_KRW", DAILY, candles)
        newest = marks.newest("BTC_KRW")
        assert newest is not None
        assert newest.price == price_of(candles.close[-1])


def test_the_file_in_the_bucket_is_plain_parquet(bucket: Bucket) -> None:
    """Other programs read it there."""
    bucket.catalog().merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, NEW_YEAR, 3))
    with bucket.files.open(FILE) as file:
        assert pq.read_table(file).num_rows == 3
