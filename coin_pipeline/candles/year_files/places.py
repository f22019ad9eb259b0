"""Where year files are: the protocol of a folder and of a bucket."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa

from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import ObjectChanged

T = TypeVar("T")
_MAX_READS = 3


def read_unchanged(read: Callable[[], T]) -> T:
    """Return what `read` returns; it lists and reads files again if one was replaced in a bucket meanwhile.

    Raises:
        ObjectChanged: One was replaced during each of three reads.
    """
    for _ in range(_MAX_READS - 1):
        with suppress(ObjectChanged):
            return read()
    return read()


class OpenedFile(NamedTuple):
    """A file that is open for reading.

    Attributes:
        file: Its bytes, which threads may read at any position.
        expect: Announces what will be read, as a function that returns the start and end of each part: a bucket sends
            adjacent parts at once.
    """

    file: pa.NativeFile
    expect: Callable[[Callable[[], Sequence[tuple[int, int]]]], None]


class YearFile(Protocol):
    """A file of one year, or the place of one that does not exist yet."""

    @property
    def name(self) -> str:
        """Name in messages and snapshots, such as BTC_KRW/1D/2024.parquet."""
        ...

    @property
    def year(self) -> int:
        """Year of the candles, by the name of the file."""
        ...

    def size(self) -> int:
        """Return its size in bytes."""
        ...

    def modified_ns(self) -> int:
        """Return when it was written, ns UTC."""
        ...

    def state(self) -> Hashable:
        """Return what changes when it is replaced or written in place.

        Raises:
            OSError: It does not exist.
        """
        ...

    def open(self) -> AbstractContextManager[OpenedFile]:
        """Open the file.

        Raises:
            OSError: It cannot be read.
            StorageFailed: The bucket cannot be read; ObjectChanged if the file was replaced since it was listed.
        """
        ...

    def replace(self, content: bytes) -> None:
        """Replace its content atomically; one process at a time, see `Series.locked`.

        Raises:
            StorageFull: No space; the old file is unchanged.
            StorageFailed: The file cannot be written; the old file is unchanged.
        """
        ...

    def remove(self) -> None:
        """Remove the file."""
        ...


class Series(Protocol):
    """The files of one market and timeframe."""

    @property
    def name(self) -> str:
        """Name of their folder in messages."""
        ...

    def files(self) -> list[YearFile]:
        """Return the files, oldest first."""
        ...

    def new_file(self, year: int) -> YearFile:
        """Return the place of a year that has no file."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Hold the exclusive lock of the series, across threads and processes."""
        ...


class CandlePlace(Protocol):
    """Year files of all markets, and their location as text; methods may raise StorageFailed."""

    def symbols(self) -> list[str]:
        """Return the markets that have a folder, sorted."""
        ...

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        """Return a series, whether or not it has files.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: The series is stored under two spellings.
        """
        ...

    def listed(self, symbol: str | None = None) -> "CandlePlace":
        """Return this place for a look at all series, or at those of a market; a bucket is listed once for all."""
        ...

    def state(self, symbol: str) -> Hashable:
        """Return what changes when a file of a market is added or replaced."""
        ...
