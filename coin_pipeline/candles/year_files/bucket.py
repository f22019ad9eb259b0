"""Year files in a bucket, under the same names as in a folder.

A read asks for the end of a file, which has its footer, and then for the row groups that it needs, those of several
years at the same time. Both are cached by the ETag of the file once they were read without an error, so that a read of
known candles is one listing. A write replaces the version that was read, or fails; a lock object lets writers of a
series take turns.
"""

import errno
import os
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from coin_pipeline.candles.symbol import parse_symbol, upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.paths import YEAR_FILE, folder_names, require_one_spelling, symbols_of
from coin_pipeline.candles.year_files.pieces import OpenedObject, Pieces
from coin_pipeline.candles.year_files.places import CandlePlace, OpenedFile, Series, YearFile
from coin_pipeline.errors import CopyDamaged, DamagedCandleFile, SeriesInUse
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.piece_cache import PieceCache

if TYPE_CHECKING:
    from coin_pipeline.storage.s3 import ObjectVersion, S3Store
    from coin_pipeline.storage.s3_lock import LockObject

LEASE_S = 30.0
"""Seconds without a sign of life after which the lock of a writer counts as abandoned."""
_WAIT_S, _POLL_S = 300.0, 0.2
"""How long a writer waits for another one, and how often it looks, s."""
_STATE_S = 5.0
"""How long the state of a market is used again, s: positions of many markets are valued many times."""
_Listing = Mapping[str, "list[ObjectVersion]"]


class _Bucket(NamedTuple):
    """The stores of the files and of the locks, the cache, and the lease of a lock (s)."""

    files: "S3Store"
    locks: "S3Store"
    cache: PieceCache
    lease_s: float

    def list(self, folder: str = "") -> _Listing:
        """Return the year files under a folder of the bucket, by the folder of their series, oldest first."""
        listing: dict[str, list[ObjectVersion]] = {}
        for version in self.files.versions(folder):
            series, _, name = version.key.rpartition("/")
            if YEAR_FILE.fullmatch(name):
                listing.setdefault(series, []).append(version)
        return listing


class BucketPlace:
    """Year files in a bucket; see `CandlePlace`.

    Args:
        files: The store of the files.
        locks: The store of the lock objects.
        cache: Where parts of files are kept.
        lease_s: Seconds after which the lock of a process that was killed can be taken over.
    """

    def __init__(self, files: "S3Store", locks: "S3Store", cache: PieceCache, lease_s: float = LEASE_S) -> None:
        self._bucket = _Bucket(files, locks, cache, lease_s)
        self._states: dict[str, tuple[float, Hashable]] = {}

    def __str__(self) -> str:
        """Return the URL of the folder."""
        return str(self._bucket.files)

    def symbols(self) -> list[str]:
        """Return the markets that have a folder, sorted."""
        return symbols_of(self._bucket.files.folders())

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        """Return a series; see `CandlePlace.series`. Other spellings are looked for if it has no files under its name.

        So a series under two spellings is noticed by `listed` only.
        """
        name = folder_names(symbol, timeframe)[0]
        if versions := self._bucket.list(name).get(name):
            return _BucketSeries(self._bucket, name, versions)
        return self.listed(symbol).series(symbol, timeframe)

    def listed(self, symbol: str | None = None) -> CandlePlace:
        """Return this place as it is now, with all markets or with one."""
        if symbol is None:
            return _ListedPlace(self._bucket, self._bucket.list())
        markets = parse_symbol(symbol), upbit_market(symbol)
        return _ListedPlace(self._bucket, {k: v for market in markets for k, v in self._bucket.list(market).items()})

    def state(self, symbol: str) -> Hashable:
        """Return the versions of the files of a market, at most five seconds old."""
        listed_at, state = self._states.get(symbol, (-_STATE_S, None))
        if time.monotonic() - listed_at > _STATE_S:
            listed_at, state = time.monotonic(), self.listed(symbol).state(symbol)
            self._states[symbol] = listed_at, state
        return state


class _ListedPlace:
    """The place as it was when it was listed."""

    def __init__(self, bucket: _Bucket, listing: _Listing) -> None:
        self._bucket, self._listing = bucket, listing

    def symbols(self) -> list[str]:
        return symbols_of(folder.partition("/")[0] for folder in self._listing)

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        names = folder_names(symbol, timeframe)
        existing = [name for name in names if name in self._listing]
        require_one_spelling(existing)
        name = existing[0] if existing else names[0]
        return _BucketSeries(self._bucket, name, self._listing.get(name, ()))

    def listed(self, symbol: str | None = None) -> CandlePlace:  # noqa: ARG002 -- the protocol's
        return self

    def state(self, symbol: str) -> Hashable:
        markets = parse_symbol(symbol), upbit_market(symbol)
        return tuple(
            (version.key, version.etag)
            for folder, versions in self._listing.items()
            if folder.partition("/")[0] in markets
            for version in versions
        )


class _BucketSeries:
    """The files of a series as they were listed; the lock lists them again."""

    def __init__(self, bucket: _Bucket, name: str, versions: "Sequence[ObjectVersion]") -> None:
        self._bucket, self.name, self._versions = bucket, name, versions

    def files(self) -> list[YearFile]:
        return [_BucketFile(self._bucket, version.key, version) for version in self._versions]

    def new_file(self, year: int) -> YearFile:
        return _BucketFile(self._bucket, f"{self.name}/{year:04d}.parquet", None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        lock = self._acquire(time.monotonic() + _WAIT_S)
        with lock.held():
            self._versions = self._bucket.list(self.name).get(self.name, ())
            yield

    def _acquire(self, deadline: float) -> "LockObject":
        """Return the lock of the series once this process has it.

        Raises:
            SeriesInUse: Another process has had it until the deadline (monotonic, s).
        """
        from coin_pipeline.storage.s3_lock import LockObject  # noqa: PLC0415 -- only a bucket needs its client

        lock = LockObject(self._bucket.locks, self.name, self._bucket.lease_s, partial(SeriesInUse, self.name))
        while True:
            try:
                lock.acquire()
            except SeriesInUse:
                if time.monotonic() > deadline:
                    raise
            else:
                return lock
            report_progress()
            time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class _BucketFile:
    bucket: _Bucket
    name: str
    version: "ObjectVersion | None"

    @property
    def year(self) -> int:
        return int(self.name.rpartition("/")[2].partition(".")[0])

    def size(self) -> int:
        return self._listed.size

    def modified_ns(self) -> int:
        return round(self._listed.modified.timestamp() * 1e6) * 1000

    def state(self) -> Hashable:
        return self._listed.etag

    def open(self) -> AbstractContextManager[OpenedFile]:
        return self._opened(Pieces(self.bucket.files, self.bucket.cache, self._listed))

    @contextmanager
    def _opened(self, pieces: Pieces) -> Iterator[OpenedFile]:
        try:
            pieces.wait()
            with pa.PythonFile(pieces, mode="r") as file:
                yield OpenedObject(file, pieces)
            pieces.keep_used()
        except DamagedCandleFile:
            if pieces.forget():
                raise CopyDamaged(self.name) from None
            raise

    def replace(self, content: bytes) -> None:
        self.bucket.files.replace(self.name, content, self.version.etag if self.version else None)

    def remove(self) -> None:
        self.bucket.files.delete(self.name, self._listed.etag)

    @property
    def _listed(self) -> "ObjectVersion":
        if self.version is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.version
