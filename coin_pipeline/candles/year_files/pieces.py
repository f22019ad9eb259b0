"""Range reads of a year file in a bucket, through a cache."""

import hashlib
from collections.abc import Callable, Sequence
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import TYPE_CHECKING

import pyarrow as pa

from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.storage.piece_cache import PieceCache

if TYPE_CHECKING:
    from mmap import mmap

    from coin_pipeline.storage.s3 import ObjectVersion, S3Store

_TAIL_BYTES = 2**16
"""What Arrow reads of the end of a file to find its footer."""
_SMALL_BYTES = 2**18
"""Files up to this size are read as a whole: a second request takes longer than their transfer."""


class Pieces(RawIOBase):
    """A version of a file, for Arrow: what is read comes from the cache, or else from the bucket.

    Arrow calls it under a lock of its own.

    Args:
        files: The store of the file.
        cache: Where pieces of files are kept.
        version: The version to read.
    """

    def __init__(self, files: "S3Store", cache: PieceCache, version: "ObjectVersion") -> None:
        self._files, self._cache, self._version = files, cache, version
        self._name = hashlib.sha256(f"{files.uri(version.key)} {version.etag}".encode()).hexdigest()
        self._pieces: dict[tuple[int, int], mmap | memoryview] = {}
        self._from_cache = False
        self._expected: Callable[[], Sequence[Interval]] | None = None
        self._position = 0
        tail = 0 if version.size <= _SMALL_BYTES else version.size - _TAIL_BYTES
        self._load([(tail, version.size)])

    def expect(self, pieces: Callable[[], Sequence[Interval]]) -> None:
        """Announce the pieces that will be read; the first read of one of them loads all."""
        self._expected = pieces

    def forget(self) -> bool:
        """Remove the copies of all pieces from the cache; return whether some were read from there."""
        for start, stop in self._pieces:
            self._cache.remove(self._copy_name(start, stop))
        return self._from_cache

    def readable(self) -> bool:
        """Return True."""
        return True

    def seek(self, position: int, whence: int = SEEK_SET, /) -> int:
        """Set the position and return it."""
        self._position = position + {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._version.size}[whence]
        return self._position

    def read_buffer(self, size: int) -> pa.Buffer:
        """Return the next bytes; Arrow prefers this to `read`, as it does not copy them."""
        end = self._version.size
        start, stop = self._position, end if size < 0 else min(self._position + size, end)
        if start >= stop:
            return pa.py_buffer(b"")
        self._position = stop
        piece = self._find(start, stop)
        if piece is None and self._expected:
            self._load(self._expected())
            self._expected = None
            piece = self._find(start, stop)
        if piece is None:
            self._load([(start, stop)])
            piece = self._find(start, stop)
        return piece

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        return bytes(self.read_buffer(size))

    def _find(self, start: int, stop: int) -> pa.Buffer | None:
        for (first, end), content in self._pieces.items():
            if first <= start and stop <= end:
                return pa.py_buffer(memoryview(content)[start - first : stop - first])
        return None

    def _load(self, pieces: Sequence[Interval]) -> None:
        """Read pieces from the cache, and the others from the bucket: adjacent ones in one request."""
        missing = []
        for start, stop in pieces:
            copy = self._cache.get(self._copy_name(start, stop), stop - start)
            if copy is not None:
                self._pieces[start, stop], self._from_cache = copy, True
            else:
                missing.append((start, stop))
        for begin, end in union(missing):
            data = memoryview(self._files.get_range(self._version.key, begin, end, self._version.etag))
            for start, stop in missing:
                if begin <= start and stop <= end:
                    self._pieces[start, stop] = piece = data[start - begin : stop - begin]
                    self._cache.put(self._copy_name(start, stop), piece)

    def _copy_name(self, start: int, stop: int) -> str:
        return f"{self._name}-{start}-{stop}"
