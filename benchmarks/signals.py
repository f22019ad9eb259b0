"""Booleans for the peers, which take a strategy as the bars on which it enters and exits."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from benchmarks.measuring import Arrays
from benchmarks.oracles import Bools, Ints, loud, shaped, trades

Rows: TypeAlias = tuple[Bools, Bools]
Chunks: TypeAlias = Callable[[], Iterator[Rows]]
"""Yields entries and exits of some points at a time, each of shape (points, n)."""


def computed(data: Arrays, size: int, shift: int = 0) -> Chunks:
    """Work the signals out in numpy, conditions that points share only once; this is part of the time.

    Peers that know no hold need its exits as signals, and an exit belongs to an entry that was taken: so the trades are
    followed as well.
    """

    def chunks() -> Iterator[Rows]:
        columns, points = data["columns"], data["points"].tolist()
        fitting, enough = cache(lambda body: shaped(columns, body)), cache(lambda *volume: loud(columns, *volume))
        for first in range(0, len(points), size):
            some = points[first : first + size]
            yield _rows(
                columns.shape[1],
                shift,
                [trades(fitting(body) & enough(int(window), mult), int(hold)) for window, mult, body, hold in some],
            )

    return chunks


def given(data: Arrays, size: int, shift: int = 0) -> Chunks:
    """Mark the trades that are handed in."""
    entry, leave, ends = data["entry_bar"], data["exit_bar"], data["ends"]

    def chunks() -> Iterator[Rows]:
        for first in range(0, len(ends) - 1, size):
            bounds = ends[first : first + size + 1]
            found = [(entry[start:end], leave[start:end]) for start, end in pairwise(bounds)]
            yield _rows(data["columns"].shape[1], shift, found)

    return chunks


def remembered(chunks: Chunks) -> Chunks:
    """Make the rows now, so that they are handed in and take no time later."""
    rows = list(chunks())
    return lambda: iter(rows)


def one(chunks: Chunks) -> Rows:
    """Return entries and exits of the one point there is, each of shape (n,)."""
    entries, exits = next(chunks())
    return entries[0], exits[0]


def marked(n: int, bars: Ints) -> Bools:
    """Return n booleans, True at the given bars."""
    booleans = np.zeros(n, np.bool_)
    booleans[bars] = True
    return booleans


def _rows(n: int, shift: int, found: list[tuple[Ints, Ints]]) -> Rows:
    entries, exits = ([marked(n, bars + shift) for bars in column] for column in zip(*found, strict=True))
    return np.stack(entries), np.stack(exits)
