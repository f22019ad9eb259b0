"""Range reads of a year file in a bucket, through a cache."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import TYPE_CHECKING

import pyarrow as pa

from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.year_files.places import OpenedFile
from coin_pipeline.storage.piece_cache import PieceCache

if TYPE_CHECKING:
    from mmap import mmap

    from coin_pipeline.storage.s3 import ObjectVersion, S3Store

_TAIL_BYTES = 2**16
"""What Arrow reads of the end of a file to find its footer."""
_SMALL_BYTES = 2**18
"""Files up to this size are read as a whole: a second request takes longer than their transfer."""
_REQUEST_BYTES = 2**24
"""Adjacent pieces are requested together until they have this size, as a year of minutes: more requests take longer."""
_REQUESTS = 4
"""Requests at a time of this process."""


class Pieces(RawIOBase):
    """A version of a file, for Arrow: what is read comes from the cache, or else from the bucket.

    The end of the file is requested at once. Arrow reads under a lock of its own.

    Args:
        files: The store of the file.
        cache: Where pieces of files are kept once they were read without an error.
        version: The version to read.
    """

    def __init__(self, files: "S3Store", cache: PieceCache, version: "ObjectVersion") -> None:
        self._files, self._cache, self._version = files, cache, version
        self._name = hashlib.sha256(f"{files.uri(version.key)} {version.etag}".encode()).hexdigest()
        self._pieces: dict[Interval, Future[mmap | bytes]] = {}
        self._from_cache, self._not_cached = False, set[Interval]()
        self._position = 0
        tail = 0 if version.size <= _SMALL_BYTES else version.size - _TAIL_BYTES
        self._used = [(tail, version.size)] if version.size else []
        self.fetch(self._used)

    def fetch(self, pieces: Sequence[Interval]) -> "list[Future[mmap | bytes]]":
        """Start to load pieces, from the cache or with parallel requests; return the transfer that has each."""
        requests: list[list[Interval]] = []
        for piece in pieces:
            if self._find(*piece):
                continue
            transfer: Future[mmap | bytes] = Future()
            self._pieces[piece] = transfer
            copy = self._cache.get(self._copy_name(piece), piece[1] - piece[0])
            if copy is not None:
                transfer.set_result(copy)
                self._from_cache = True
                continue
            self._not_cached.add(piece)
            if requests and requests[-1][-1][1] == piece[0] and piece[0] - requests[-1][0][0] < _REQUEST_BYTES:
                requests[-1].append(piece)
            else:
                requests.append([piece])
        for request in requests:
            _executor().submit(copy_context().run, self._request, request)
        return [self._pieces[found] for piece in pieces if (found := self._find(*piece))]

    def wait(self) -> None:
        """Wait for the pieces that are being loaded."""
        for transfer in self._pieces.values():
            transfer.result()

    def keep(self, piece: Interval) -> None:
        """Store a piece in the cache that was read without an error."""
        if piece in self._not_cached:
            self._not_cached.remove(piece)
            self._cache.put(self._copy_name(piece), memoryview(self._pieces[piece].result()))

    def keep_used(self) -> None:
        """Store the pieces in the cache that were read without being fetched before, such as the footer."""
        for piece in self._used:
            self.keep(piece)

    def forget(self) -> bool:
        """Remove the copies of all pieces from the cache; return whether some were read from there."""
        for piece in self._pieces:
            self._cache.remove(self._copy_name(piece))
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
        if piece is None:
            piece = (start, stop)
            self._used.append(piece)
            self.fetch([piece])
        content = memoryview(self._pieces[piece].result())
        return pa.py_buffer(content[start - piece[0] : stop - piece[0]])

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        return bytes(self.read_buffer(size))

    def _find(self, start: int, stop: int) -> Interval | None:
        """Return the piece that has these bytes, whether or not it has arrived."""
        return next((piece for piece in self._pieces if piece[0] <= start and stop <= piece[1]), None)

    def _request(self, pieces: Sequence[Interval]) -> None:
        """Read adjacent pieces; each one is used as soon as it has arrived."""
        transfers = [self._pieces[piece] for piece in pieces]

        def receive(number: int, data: bytes) -> None:
            if not transfers[number].done():  # a request that was interrupted starts over
                transfers[number].set_result(data)

        sizes = [stop - start for start, stop in pieces]
        try:
            self._files.get_parts(self._version.key, pieces[0][0], sizes, self._version.etag, receive)
        except Exception as error:  # noqa: BLE001 -- raised in the thread that waits for a piece
            for transfer in transfers:
                if not transfer.done():
                    transfer.set_exception(error)

    def _copy_name(self, piece: Interval) -> str:
        return f"{self._name}-{piece[0]}-{piece[1]}"


class OpenedObject(OpenedFile):
    """A file in a bucket that is open for reading.

    Args:
        file: Its bytes.
        pieces: Their transfer.
    """

    def __init__(self, file: pa.NativeFile, pieces: Pieces) -> None:
        super().__init__(file)
        self._pieces = pieces

    def fetch(self, parts: Callable[[], Sequence[Interval]]) -> "Sequence[Future[mmap | bytes]]":
        """Start to transfer parts; see `OpenedFile.fetch`."""
        return self._pieces.fetch(parts())

    @contextmanager
    def reading(self, parts: Callable[[], Sequence[Interval]]) -> Iterator[None]:
        """Wait for parts, and store them in the cache once they were read without an error."""
        pieces = parts()
        for transfer in self._pieces.fetch(pieces):
            transfer.result()
        yield
        for piece in pieces:
            self._pieces.keep(piece)


@cache
def _executor() -> ThreadPoolExecutor:
    """Return the thread pool of all transfers of this process."""
    return ThreadPoolExecutor(_REQUESTS, "candle-transfer")


os.register_at_fork(after_in_child=_executor.cache_clear)  # a forked child does not inherit threads
