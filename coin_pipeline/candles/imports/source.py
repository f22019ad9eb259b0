"""A table in a file, before its columns are understood."""

import mmap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.candles.imports.layouts import Layout

Content = bytes | mmap.mmap
"""What is in a file, decompressed."""


class Rows(NamedTuple):
    """Columns of a table as they are in the file: texts, numbers or timestamps.

    Attributes:
        columns: The requested columns, n rows each.
        numbers: Row of each in the file, counted from 1 below the header, shape (n,).
        skipped: Number of rows that were left out, by reason.
    """

    columns: list[pa.ChunkedArray]
    numbers: npt.NDArray[np.int64]
    skipped: Counter[str]


@dataclass(frozen=True, slots=True)
class Source:
    """A table in a file.

    Attributes:
        names: Names of its columns as the file spells them; their positions from 1 if it has no header.
        read: Reads the columns at some positions, counted from 0.
        headed: Whether it has a header.
        first: Texts of the first row of a table without a header.
        index: Name of the column that pandas stored as the index.
        above: Text in the lines above the header, in lower case.
        layout: Layout that the form of the header gives away.
        symbol: The market that the header names.
        decimal_unclear: Whether 56.600 may be a grouped integer, as in files whose delimiter is a semicolon.
    """

    names: tuple[str, ...]
    read: Callable[[Sequence[int]], Rows]
    headed: bool = True
    first: tuple[str, ...] = ()
    index: str | None = None
    above: str = ""
    layout: Layout | None = None
    symbol: str | None = None
    decimal_unclear: bool = False

    def without_content(self) -> "Source":
        """Return the source for its names alone, so that the content can be freed."""
        return replace(self, read=_released)


def _released(_positions: Sequence[int]) -> Rows:
    raise AssertionError
