"""What surrounds the best point: how its neighbours did, where it lies in the space, and a map of it all."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.strategies.registry import numeric_limits
from coin_pipeline.sweeps.search_space import Dimension, Point, Range, Value, is_number

MAX_CELLS = 50
"""Cells of a heat map along an axis: as many values are shown one by one, more in bins."""
BINS = 10
EDGE = 0.01
"""Share of a range that counts as its edge."""
_MOST_NEIGHBOURS = 500_000_000
_BLOCK = 1 << 22


class Neighbourhoods(NamedTuple):
    """Of each point with rows, the median objective of its neighbours and itself, and how many these are; (k,)."""

    median: Floats
    size: Ints


class _Cells(NamedTuple):
    """The cells along one axis of a map: their labels, and in which one each point lies, (k,)."""

    name: str
    labels: list[str]
    place: Ints


def neighbourhoods(space: Sequence[Dimension], numbers: Ints, objectives: Floats) -> Neighbourhoods | None:
    """Return how the surroundings of each point of a grid did; None where that would take too long.

    Neighbours of a point are the points that differ from it by at most one step in every numeric dimension, and not at
    all in the others; it is its own neighbour. What lies beyond the grid or breaks a constraint is no neighbour. An
    objective that is undefined counts as the lowest of all.

    Args:
        space: The dimensions of the grid.
        numbers: Numbers of the points that have rows, ascending, shape (k,).
        objectives: Their objectives, NaN where undefined, shape (k,).
    """
    shape = [len(one.values) for one in space if not isinstance(one.values, Range)]
    reach = [(-1, 0, 1) if one.is_numeric and count > 1 else (0,) for one, count in zip(space, shape, strict=True)]
    if len(numbers) * math.prod(map(len, reach)) > _MOST_NEIGHBOURS:
        return None
    offsets = np.array([*itertools.product(*reach)])
    values = np.full(math.prod(shape), np.nan)
    values[numbers] = np.where(np.isnan(objectives), -np.inf, objectives)
    rows = max(1, _BLOCK // len(offsets))
    blocks = [_medians(values, shape, numbers[first : first + rows], offsets) for first in range(0, len(numbers), rows)]
    medians, sizes = zip(*blocks, strict=True)
    return Neighbourhoods(np.concatenate(medians), np.concatenate(sizes))


def heat_map(space: Sequence[Dimension], columns: Mapping[str, Floats], objectives: Floats) -> Json | None:
    """Return the highest and the median objective over the two numeric dimensions that matter most.

    A dimension matters by the difference between the highest and the lowest mean objective of its cells.

    Args:
        space: The dimensions.
        columns: Values of each numeric dimension at the points, infinite for None, each of shape (k,).
        objectives: Objectives of the points, NaN where undefined, shape (k,).

    Returns:
        `x` and `y` (None with one dimension) with names and labels, and `best`, `median` and `points` as rows of y; a
        cell without a defined objective has None and 0 points. None where no numeric dimension has two values.
    """
    axes = [cells for one in space if one.is_numeric and (cells := _cells(one, columns[one.name])) is not None]
    known = np.flatnonzero(~np.isnan(objectives))
    if not axes or not len(known):
        return None
    chosen = sorted(axes, key=lambda axis: -_effect(axis.place[known], objectives[known]))[:2]
    y, x = (None, chosen[0]) if len(chosen) == 1 else sorted(chosen, key=lambda axis: len(axis.labels))
    wide, high = len(x.labels), 1 if y is None else len(y.labels)
    cell = x.place[known] + (0 if y is None else wide * y.place[known])
    maps: dict[str, list[list[float | None]]] = {
        name: [[empty] * wide for _ in range(high)] for name, empty in (("best", None), ("median", None), ("points", 0))
    }
    for number, found in _grouped(cell, objectives[known]):
        row, place = divmod(number, wide)
        maps["best"][row][place] = float(found.max())
        maps["median"][row][place] = float(np.median(found))
        maps["points"][row][place] = len(found)
    sides = {side: axis and {"name": axis.name, "labels": axis.labels} for side, axis in (("x", x), ("y", y))}
    return {**sides, **maps}


def edges(space: Sequence[Dimension], point: Point, schema: Json) -> list[str]:
    """Return a sentence for each numeric dimension on whose edge the point lies.

    Beyond what the strategy takes there is nothing to be found, and between two values nothing that is no edge.

    Args:
        space: The dimensions.
        point: One point of them.
        schema: JSON schema of the strategy's params.
    """
    found = []
    for one in space:
        value, (low, high) = point[one.name], _edges_of(one)
        lowest, highest = numeric_limits(schema.get("properties", {}).get(one.name, {})) if one.param else (None, None)
        if not is_number(value):
            continue
        if value <= low and value != lowest:
            found.append(f"{one.name}={value} is at the lowest value swept: the best may lie below it")
        elif value >= high and value != highest:
            found.append(f"{one.name}={value} is at the highest value swept: the best may lie above it")
    return found


def _edges_of(one: Dimension) -> tuple[float, float]:
    """Return up to where the lower edge of a numeric dimension reaches, and from where on the upper one does."""
    if isinstance(one.values, Range):
        room = 0.0 if one.values.is_integer else EDGE * (one.values.high - one.values.low)
        return one.values.low + room, one.values.high - room
    numbers = [value for value in one.values if is_number(value)]
    if not one.is_numeric or len(one.values) < 3:  # noqa: PLR2004 - two values have no middle
        return -math.inf, math.inf
    return numbers[0], math.inf if None in one.values else numbers[-1]


def _medians(values: Floats, shape: Sequence[int], numbers: Ints, offsets: Ints) -> tuple[Floats, Ints]:
    places = np.stack(np.unravel_index(numbers, shape), axis=1)[:, None, :] + offsets
    inside = ((places >= 0) & (places < shape)).all(axis=2)
    near = np.clip(places, 0, np.array(shape) - 1)
    known = np.where(inside, values[np.ravel_multi_index(tuple(np.moveaxis(near, 2, 0)), shape)], np.nan)
    known.sort(axis=1)  # what is no neighbour comes last
    size = np.count_nonzero(~np.isnan(known), axis=1)
    row = np.arange(len(numbers))
    return (known[row, (size - 1) // 2] + known[row, size // 2]) / 2, size


def _cells(one: Dimension, column: Floats) -> _Cells | None:
    """Cut a numeric dimension into cells; None where it has a single value."""
    if isinstance(one.values, Range) and not one.values.is_integer:
        low, high = one.values.low, one.values.high
        bounds = np.linspace(low, high, BINS + 1)
        labels = [f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(bounds.tolist())]
        place = np.searchsorted(bounds[1:-1], column, side="right")
        return _Cells(one.name, labels, place) if high > low else None
    values = one.values if isinstance(one.values, tuple) else range(int(one.values.low), int(one.values.high) + 1)
    if len(values) == 1:
        return None
    size = 1 if len(values) <= MAX_CELLS else -(-len(values) // BINS)
    cells = [(values[first], values[min(first + size, len(values)) - 1]) for first in range(0, len(values), size)]
    if isinstance(values, range):
        number = column.astype(np.int64) - values.start
    else:
        number = np.searchsorted([np.inf if value is None else value for value in values], column)
    return _Cells(one.name, [" to ".join(map(_label, dict.fromkeys(cell))) for cell in cells], number // size)


def _label(value: Value) -> str:
    return "none" if value is None else f"{value:g}"


def _effect(place: Ints, objectives: Floats) -> float:
    counts = np.bincount(place)
    means = np.bincount(place, objectives)[counts > 0] / counts[counts > 0]
    return float(means.max() - means.min())


def _grouped(cell: Ints, values: Floats) -> Iterator[tuple[int, Floats]]:
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    return zip(cell[order][starts].tolist(), np.split(values[order], starts[1:]), strict=True)
