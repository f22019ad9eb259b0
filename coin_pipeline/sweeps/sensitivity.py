"""Sensitivity of the objective: neighbourhoods of points, the heat map, and best points at the edge of the space."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.messages import Message
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.strategies.registry import numeric_limits
from coin_pipeline.sweeps.search_space import Dimension, Point, Range, Value, is_number

MAX_CELLS = 50
"""Cells of a heat map along an axis; more values than this are grouped into bins."""
BINS = 10
EDGE = 0.01
"""Share of a range that counts as its edge."""
_MAX_NEIGHBOURS = 500_000_000
_BLOCK = 1 << 17
"""Objectives sorted at a time, which fit in the cache."""


class Neighbourhoods(NamedTuple):
    """The neighbourhood of each point, which includes the point itself.

    Attributes:
        median: Median objective, -inf where undefined, shape (k,), float64.
        size: Number of points, shape (k,), int64.
    """

    median: Floats
    size: Ints


class _Cells(NamedTuple):
    """The cells along one axis of a heat map.

    Attributes:
        name: Name of the dimension.
        labels: Labels of the cells.
        cell: Cell of each point, shape (k,), int32.
    """

    name: str
    labels: list[str]
    cell: npt.NDArray[np.int32]


def neighbourhoods(space: Sequence[Dimension], numbers: Ints, objectives: Floats) -> Neighbourhoods | None:
    """Return the neighbourhood of each point of a grid, or None if that would take too long.

    The neighbours of a point differ from it by at most one step in every numeric dimension and not at all in the
    others; a point is its own neighbour. Points that were skipped or are beyond the grid are not neighbours. An
    undefined objective counts as the lowest.

    Args:
        space: The dimensions of the grid.
        numbers: Numbers of the evaluated points, ascending, shape (k,).
        objectives: Their objectives, NaN where undefined, shape (k,).
    """
    shape = [len(dim.values) for dim in space if not isinstance(dim.values, Range)]
    steps = [(-1, 0, 1) if dim.is_numeric and count > 1 else (0,) for dim, count in zip(space, shape, strict=True)]
    if len(numbers) * math.prod(map(len, steps)) > _MAX_NEIGHBOURS:
        return None
    padded = [count + 2 for count in shape]  # a margin of NaN, so that every point has all its neighbours
    strides = [math.prod(padded[axis + 1 :]) for axis in range(len(padded))]
    places = np.full(len(numbers), sum(strides))
    for axis, count in enumerate(shape):  # one axis in memory at a time
        places += strides[axis] * (numbers // math.prod(shape[axis + 1 :]) % count)
    offsets = np.array([*itertools.product(*steps)]) @ np.array(strides)
    values = np.full(math.prod(padded), np.nan)
    values[places] = np.where(np.isnan(objectives), -np.inf, objectives)
    rows = max(1, _BLOCK // len(offsets))
    found = Neighbourhoods(np.empty(len(places)), np.empty(len(places), np.int64))
    for first in range(0, len(places), rows):
        block = slice(first, first + rows)
        found.median[block], found.size[block] = _medians(values, places[block], offsets)
    return found


def heat_map(
    space: Sequence[Dimension], column_of: Callable[[str], Floats], numbers: Ints, objectives: Floats
) -> Json | None:
    """Return the highest and the median objective over the two numeric dimensions with the largest effect.

    The effect of a dimension is the difference between the highest and the lowest mean objective of its cells.

    Args:
        space: The dimensions.
        column_of: Returns the values of a numeric dimension at the points, infinite for None, shape (k,).
        numbers: Numbers of the points, ascending, shape (k,).
        objectives: Objectives of the points, NaN where undefined, shape (k,).

    Returns:
        `x` and `y` (None with one dimension) with names and labels, and `best`, `best_point` (its number, the lowest of
        several), `median` and `points` as rows of y. A cell without a defined objective has None and 0 points. None if
        no numeric dimension has two values.
    """
    axes = [cells for dim in space if dim.is_numeric and (cells := _cells(dim, column_of(dim.name))) is not None]
    defined = np.flatnonzero(~np.isnan(objectives))
    if not axes or not len(defined):
        return None
    chosen = sorted(axes, key=lambda axis: -_effect(axis.cell[defined], objectives[defined]))[:2]
    y, x = (None, chosen[0]) if len(chosen) == 1 else sorted(chosen, key=lambda axis: len(axis.labels))
    width, height = len(x.labels), 1 if y is None else len(y.labels)
    cell = x.cell[defined] + (0 if y is None else width * y.cell[defined])
    maps: dict[str, list[list[float | None]]] = {
        name: [[empty] * width for _ in range(height)]
        for name, empty in (("best", None), ("best_point", None), ("median", None), ("points", 0))
    }
    for number, rows in _rows_by_cell(cell):
        row, column = divmod(number, width)
        group = objectives[defined[rows]]
        maps["best"][row][column] = float(group.max())
        maps["best_point"][row][column] = int(numbers[defined[rows[np.argmax(group)]]])
        maps["median"][row][column] = float(np.median(group))
        maps["points"][row][column] = len(group)
    sides = {side: axis and {"name": axis.name, "labels": axis.labels} for side, axis in (("x", x), ("y", y))}
    return {**sides, **maps}


def edge_warnings(space: Sequence[Dimension], point: Point, schema: Json) -> list[Message]:
    """Return a warning for each numeric dimension in which the point is at an edge of the swept values.

    An edge at the limit of the strategy's schema is ignored, and so are dimensions of fewer than three values.

    Args:
        space: The dimensions.
        point: A point of the space.
        schema: JSON schema of the strategy's parameters.
    """
    warnings = []
    for dim in space:
        value, (low, high) = point[dim.name], _edges(dim)
        lowest, highest = numeric_limits(schema.get("properties", {}).get(dim.name, {})) if dim.param else (None, None)
        if not is_number(value):
            continue
        if value <= low and value != lowest:
            warnings.append(Message("lowest_swept", {"name": dim.name, "value": value}))
        elif value >= high and value != highest:
            warnings.append(Message("highest_swept", {"name": dim.name, "value": value}))
    return warnings


def _edges(dim: Dimension) -> tuple[float, float]:
    """Return where the lower edge of a numeric dimension ends and where its upper edge starts."""
    if isinstance(dim.values, Range):
        margin = 0.0 if dim.values.is_integer else EDGE * (dim.values.high - dim.values.low)
        return dim.values.low + margin, dim.values.high - margin
    numbers = [value for value in dim.values if is_number(value)]
    if not dim.is_numeric or len(dim.values) < 3:  # noqa: PLR2004 - of two values, both are edges
        return -math.inf, math.inf
    return numbers[0], math.inf if None in dim.values else numbers[-1]


def _medians(values: Floats, places: Ints, offsets: Ints) -> tuple[Floats, Ints]:
    objectives = values[places[:, None] + offsets]
    objectives.sort(axis=1)  # NaN, for points that were skipped or are outside, sorts last
    size = np.count_nonzero(~np.isnan(objectives), axis=1)
    row = np.arange(len(places))
    return (objectives[row, (size - 1) // 2] + objectives[row, size // 2]) / 2, size


def _cells(dim: Dimension, column: Floats) -> _Cells | None:
    """Divide a numeric dimension into cells; None if it has a single value."""
    if isinstance(dim.values, Range) and not dim.values.is_integer:
        low, high = dim.values.low, dim.values.high
        bounds = np.linspace(low, high, BINS + 1)
        labels = [f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(bounds.tolist())]
        index = np.searchsorted(bounds[1:-1], column, side="right")
        return _Cells(dim.name, labels, index.astype(np.int32)) if high > low else None
    values = dim.values if isinstance(dim.values, tuple) else range(int(dim.values.low), int(dim.values.high) + 1)
    if len(values) == 1:
        return None
    size = 1 if len(values) <= MAX_CELLS else -(-len(values) // BINS)
    cells = [(values[first], values[min(first + size, len(values)) - 1]) for first in range(0, len(values), size)]
    if isinstance(values, range):
        index = column.astype(np.int64) - values.start
    else:
        index = np.searchsorted([np.inf if value is None else value for value in values], column)
    return _Cells(
        dim.name, [" to ".join(map(_label, dict.fromkeys(cell))) for cell in cells], (index // size).astype(np.int32)
    )


def _label(value: Value) -> str:
    return "none" if value is None else f"{value:g}"


def _effect(cell: npt.NDArray[np.int32], objectives: Floats) -> float:
    counts = np.bincount(cell)
    means = np.bincount(cell, objectives)[counts > 0] / counts[counts > 0]
    return float(means.max() - means.min())


def _rows_by_cell(cell: npt.NDArray[np.int32]) -> Iterator[tuple[int, Ints]]:
    """Return each cell that has points, with their indices in ascending order."""
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    return zip(cell[order][starts].tolist(), np.split(order, starts[1:]), strict=True)
