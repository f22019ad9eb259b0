"""Boolean signals for the peers, whose input is the bars on which a strategy enters and exits."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from benchmarks.measuring import Arrays
from benchmarks.oracles import Bools, Ints, high_volume, long_shape, trades

Rows: TypeAlias = tuple[Bools, Bools]
Chunks: TypeAlias = Callable[[], Iterator[Rows]]
"""Yields entries and exits in chunks of points, each bool, shape (points, n)."""


def compute_signals(data: Arrays, size: int, shift: int = 0) -> Chunks:
    """Compute the signals in numpy, as part of the measured time; conditions shared by points are computed once.

    Peers without a hold need its exits as signals, and an exit belongs to an entry that was traded, so the trades are
    simulated as well.
    """

    def chunks() -> Iterator[Rows]:
        columns, points = data["columns"], data["points"].tolist()
        has_shape = cache(lambda body: long_shape(columns, body))
        has_volume = cache(lambda *volume: high_volume(columns, *volume))
        for first in range(0, len(points), size):
            chunk = points[first : first + size]
            yield _rows(
                columns.shape[1],
                shift,
                [
                    trades(has_shape(body) & has_volume(int(window), mult), int(hold))
                    for window, mult, body, hold in chunk
                ],
            )

    return chunks


def signals_of_trades(data: Arrays, size: int, shift: int = 0) -> Chunks:
    """Convert the given trades into signals."""
    entry, leave, ends = data["entry_bar"], data["exit_bar"], data["ends"]

    def chunks() -> Iterator[Rows]:
        for first in range(0, len(ends) - 1, size):
            bounds = ends[first : first + size + 1]
            fills = [(entry[start:end], leave[start:end]) for start, end in pairwise(bounds)]
            yield _rows(data["columns"].shape[1], shift, fills)

    return chunks


def precompute(chunks: Chunks) -> Chunks:
    """Compute the rows in advance, so that they are not part of the measured time."""
    rows = list(chunks())
    return lambda: iter(rows)


def single_point(chunks: Chunks) -> Rows:
    """Return entries and exits of the only point, each bool, shape (n,)."""
    entries, exits = next(chunks())
    return entries[0], exits[0]


def to_mask(n: int, bars: Ints) -> Bools:
    """Return a mask of n bars, True at the given ones."""
    mask = np.zeros(n, np.bool_)
    mask[bars] = True
    return mask


def _rows(n: int, shift: int, fills: list[tuple[Ints, Ints]]) -> Rows:
    entries, exits = ([to_mask(n, bars + shift) for bars in column] for column in zip(*fills, strict=True))
    return np.stack(entries), np.stack(exits)
