"""Types and helpers shared by all benchmark processes, including those of the peers; numpy is the only dependency."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


class Stopwatch:
    """Adds up the time spent in its ``with`` blocks, in ``seconds``."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._began


Run: TypeAlias = Callable[[Stopwatch], Arrays]
"""Runs a workload once. Code outside the stopwatch belongs to the benchmark: preparing inputs and reading results."""


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """Store arrays as files in a new folder."""
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


class LazyArrays(dict[str, npt.NDArray[Any]]):
    """Arrays of a folder, each loaded on first access, so that unused ones do not occupy an engine's memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        self[name] = np.load(self._folder / f"{name}.npy")
        return self[name]
