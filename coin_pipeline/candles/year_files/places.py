"""Where year files are: the protocol of a folder and of a bucket, and the folder."""

import errno
import fcntl
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa

from coin_pipeline.candles.symbol import upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.paths import name_under, series_folder, stored_symbols, year_files
from coin_pipeline.errors import ObjectChanged
from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

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


@dataclass(frozen=True, slots=True)
class _FolderFile:
    path: Path
    name: str

    @property
    def year(self) -> int:
        return int(self.path.stem)

    def size(self) -> int:
        return self.path.stat().st_size

    def modified_ns(self) -> int:
        return self.path.stat().st_mtime_ns

    @contextmanager
    def open(self) -> Iterator[OpenedFile]:
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder")  # Arrow's own message contains the full path
        with pa.OSFile(str(self.path)) as file:
            yield OpenedFile(file, lambda _: None)

    def replace(self, content: bytes) -> None:
        # The temporary file has a fixed name, so that a leftover of a killed writer is overwritten by the next.
        with translate_os_errors(self.name):
            atomic_write(self.path, content, self.path.with_name(f".{self.path.name}.tmp"), replace=True)

    def remove(self) -> None:
        with translate_os_errors(self.name):
            self.path.unlink(missing_ok=True)


class _FolderSeries:
    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder

    @property
    def name(self) -> str:
        return name_under(self._root, self._folder)

    def files(self) -> list[YearFile]:
        return [_FolderFile(path, name_under(self._root, path)) for path in year_files(self._folder)]

    def new_file(self, year: int) -> YearFile:
        path = self._folder / f"{year:04d}.parquet"
        return _FolderFile(path, name_under(self._root, path))

    @contextmanager
    def locked(self) -> Iterator[None]:
        with translate_os_errors(self.name):
            make_folders(self._folder)
            lock = (self._folder / ".lock").open("a")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class FolderPlace:
    """Year files under DATA_ROOT; see `CandlePlace`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        """Return the path of DATA_ROOT."""
        return str(self._root)

    def symbols(self) -> list[str]:
        """Return the markets that have a folder, sorted."""
        return stored_symbols(self._root)

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        """Return a series; see `CandlePlace.series`."""
        return _FolderSeries(self._root, series_folder(self._root, symbol, timeframe))

    def listed(self, symbol: str | None = None) -> "FolderPlace":  # noqa: ARG002 -- the protocol's
        """Return this place: a folder is listed in microseconds."""
        return self

    def state(self, symbol: str) -> Hashable:
        """Return the state of the folders of a market and of its timeframes, which change with each new name in them.

        A replaced file has a new name too; one that another program writes in place does not change them.
        """
        return tuple(
            state for market in (symbol, upbit_market(symbol)) for state in _folder_states(self._root / market)
        )


def _folder_states(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, inode and modification time of a folder and of the folders in it; nothing if it does not exist."""
    try:
        own, parts = folder.stat(), [(entry.name, entry.stat()) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:  # removed meanwhile, or not a folder
        return []
    return [(name, status.st_ino, status.st_mtime_ns) for name, status in ((folder.name, own), *parts)]
