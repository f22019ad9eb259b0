"""Where year files are: the protocol of a folder and of a bucket."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa

from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import ObjectChanged

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
_MAX_ATTEMPTS = 3


def retry_if_changed(attempt: Callable[[], T]) -> T:
    """Return what `attempt` returns; it begins again if what it read was replaced by another process meanwhile.

    Raises:
        ObjectChanged: It was replaced during each of three attempts.
    """
    for _ in range(_MAX_ATTEMPTS - 1):
        with suppress(ObjectChanged):
            return attempt()
    return attempt()


class OpenedFile:
    """A file that is open for reading. Nothing has to be transferred from a folder.

    Args:
        file: Its bytes, which threads may read at any position.
    """

    def __init__(self, file: pa.NativeFile) -> None:
        self.file = file

    def fetch(self, parts: Callable[[], Sequence[Interval]]) -> "Sequence[Future[Any]]":  # noqa: ARG002 -- a bucket's
        """Start to transfer parts that will be read.

        Args:
            parts: Returns the start and end of each part; computed only for a transfer.

        Returns:
            The transfer of each part; none if the file is in a folder.
        """
        return []

    def reading(self, parts: Callable[[], Sequence[Interval]]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Wait for parts that are read inside this context; they are correct if it ends without an error."""
        return nullcontext()


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

    def __hash__(self) -> int:
        """Files of the same place are equal."""
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
        """Open the file. Its transfer starts at once, before it is entered: several files are transferred together.

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
