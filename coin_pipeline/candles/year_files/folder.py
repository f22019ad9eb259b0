"""Year files in folders under DATA_ROOT."""

import errno
import fcntl
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from coin_pipeline.candles.symbol import upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.paths import name_under, series_folder, stored_symbols, year_files
from coin_pipeline.candles.year_files.places import OpenedFile, Series, YearFile
from coin_pipeline.storage.access import make_folders
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

_State = tuple[int, int, int, int]
"""Inode, modification time (ns), size and number of links, to which each folder in a folder adds one."""


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

    def state(self) -> Hashable:
        return _state(self.path)

    @contextmanager
    def open(self) -> Iterator[OpenedFile]:
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder")  # Arrow's own message contains the full path
        with pa.OSFile(str(self.path)) as file:
            yield OpenedFile(file)

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
        self._contents: dict[str, tuple[_State, list[str]]] = {}

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
        root = self._root
        return self._folder_states(f"{root}/{symbol}"), self._folder_states(f"{root}/{upbit_market(symbol)}")

    def _folder_states(self, folder: str) -> tuple[_State, ...]:
        """Return the states of a folder, which is listed again if it changed, and of what is in it; or nothing."""
        try:
            own = _state(folder)
            listed, paths = self._contents.get(folder, (None, []))
            if own != listed:
                paths = [f"{folder}/{name}" for name in os.listdir(folder)]  # noqa: PTH208 -- as below
                self._contents[folder] = own, paths
            return own, *map(_state, paths)
        except OSError:  # removed meanwhile, or not a folder
            return ()


def _state(path: str | Path) -> _State:
    status = os.stat(path)  # noqa: PTH116 -- for each price of a position; pathlib takes twice as long
    return status.st_ino, status.st_mtime_ns, status.st_size, status.st_nlink
