"""What every process of the benchmark shares, the peers' too: so numpy is all it needs."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


class Stopwatch:
    """Counts the time within its ``with`` blocks, in ``seconds``."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._began


Run: TypeAlias = Callable[[Stopwatch], Arrays]
"""Runs a workload once. What is outside of the watch is the benchmark's own: it prepares inputs and reads results."""


def save(folder: Path, arrays: Arrays) -> None:
    """Store arrays as files of a folder, which is made."""
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


class Stored(dict[str, npt.NDArray[Any]]):
    """Arrays of a folder, each read when it is first asked for: what an engine does not use is not in its memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        self[name] = np.load(self._folder / f"{name}.npy")
        return self[name]
