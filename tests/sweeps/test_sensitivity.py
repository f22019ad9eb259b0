"""Neighbourhoods, heat maps and edges, compared with brute force."""

import itertools
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.sweeps.search_space import Dimension, Range
from coin_pipeline.sweeps.sensitivity import edge_warnings, heat_map, neighbourhoods

NAN = float("nan")


def dimension(name: str, *values: object) -> Dimension:
    """Return a swept parameter with these values."""
    return Dimension(name=name, param=True, values=values)


@st.composite
def grids(draw: st.DrawFn) -> tuple[list[Dimension], dict[tuple[int, ...], float | None]]:
    """Draw a grid and the objective of each evaluated point; None if it is undefined."""
    space = []
    for name in "abc"[: draw(st.integers(1, 3))]:
        count = draw(st.integers(1, 4))
        kind = draw(st.sampled_from(["numbers", "texts", "none"]))
        values = {"numbers": range(count), "texts": "wxyz"[:count], "none": (*range(count - 1), None)}[kind]
        space.append(dimension(name, *values))
    indices = list(itertools.product(*(range(len(dim.values)) for dim in space)))
    kept = draw(st.lists(st.sampled_from(indices), min_size=1, unique=True))
    return space, {index: draw(st.none() | st.integers(-9, 9).map(float)) for index in sorted(kept)}


@given(grids())
def test_neighbourhoods_match_their_definition(
    grid: tuple[list[Dimension], dict[tuple[int, ...], float | None]],
) -> None:
    """At most one step in numeric dimensions and none in others; undefined is lowest, absent points are ignored."""
    space, known = grid
    shape = [len(dim.values) for dim in space]
    numbers = np.array([np.ravel_multi_index(index, shape) for index in known])
    objectives = np.array([NAN if value is None else value for value in known.values()])
    result = neighbourhoods(space, numbers, objectives)
    for row, index in enumerate(known):
        near = [
            -np.inf if value is None else value
            for other, value in known.items()
            if all(abs(a - b) <= dim.is_numeric for a, b, dim in zip(index, other, space, strict=True))
        ]
        assert result.size[row] == len(near)
        assert result.median[row] == statistics.median(near)


def test_neighbourhoods_do_not_depend_on_blocks() -> None:
    """The grid is larger than one block, which ends in the middle of a row."""
    space = [dimension("a", *range(700)), dimension("b", *range(700))]
    objectives = np.random.default_rng(1).normal(size=700 * 700)
    result = neighbourhoods(space, np.arange(700 * 700), objectives)
    around = np.pad(objectives.reshape(700, 700), 1, constant_values=NAN)
    for row, column in [(0, 0), (0, 5), (665, 664), (665, 665), (665, 666), (666, 20), (699, 699)]:
        near = around[row : row + 3, column : column + 3]
        assert result.median[row * 700 + column] == np.nanmedian(near)
        assert result.size[row * 700 + column] == np.count_nonzero(~np.isnan(near))


def test_grid_with_too_many_neighbours_is_skipped() -> None:
    """In ten dimensions each point has 59,049 neighbours."""
    space = [dimension(name, 1, 2, 3) for name in "abcdefghij"]
    assert neighbourhoods(space, np.arange(3**10), np.zeros(3**10)) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.none() | st.integers(-9, 9)), min_size=1))
def test_cells_contain_maximum_and_median(points: list[tuple[int, int, int | None]]) -> None:
    """They cover all points of a cell with an objective; empty cells have none."""
    space = [dimension("a", 0, 10, 20, 30), dimension("b", 5, 6, None)]
    columns = {
        "a": np.array([10.0 * a for a, _, _ in points]),
        "b": np.array([(5.0, 6.0, np.inf)[b] for _, b, _ in points]),
    }
    objectives = np.array([NAN if value is None else value for _, _, value in points])
    drawn = heat_map(space, columns.__getitem__, np.arange(7, 7 + len(points)), objectives)
    if all(value is None for _, _, value in points):
        assert drawn is None
        return
    assert drawn["x"] == {"name": "a", "labels": ["0", "10", "20", "30"]}
    assert drawn["y"] == {"name": "b", "labels": ["5", "6", "none"]}
    for b, a in itertools.product(range(3), range(4)):
        cell = [value for x, y, value in points if (x, y) == (a, b) and value is not None]
        assert drawn["points"][b][a] == len(cell)
        assert drawn["best"][b][a] == (max(cell) if cell else None)
        best = [number for number, point in enumerate(points, 7) if cell and point == (a, b, max(cell))]
        assert drawn["best_point"][b][a] == min(best, default=None)
        assert drawn["median"][b][a] == (statistics.median(cell) if cell else None)


def test_most_important_dimensions_are_mapped() -> None:
    """Here the third and the first; the others have no effect, are not numeric, or have a single value."""
    space = [
        dimension("a", 1, 2),
        dimension("b", 1, 2),
        dimension("c", 1, 2, 3),
        dimension("d", "x", "y"),
        dimension("e", 7),
    ]
    points = list(itertools.product((1, 2), (1, 2), (1, 2, 3)))
    columns = {name: np.array([float(point[index]) for point in points]) for index, name in enumerate("abc")}
    columns["e"] = np.full(len(points), 7.0)
    drawn = heat_map(space, columns.__getitem__, np.arange(len(points)), columns["a"] + 10 * columns["c"])
    assert (drawn["x"]["name"], drawn["y"]["name"]) == ("c", "a")
    assert drawn["best"] == [[11.0, 21.0, 31.0], [12.0, 22.0, 32.0]]


def test_one_dimension_is_mapped_as_a_row() -> None:
    """There is no second axis."""
    columns = {"a": np.array([1.0, 2.0, 2.0])}
    drawn = heat_map([dimension("a", 1, 2)], columns.__getitem__, np.array([3, 5, 8]), np.array([5.0, 7.0, 6.0]))
    assert drawn == {
        "x": {"name": "a", "labels": ["1", "2"]},
        "y": None,
        "best": [[5.0, 7.0]],
        "best_point": [[3, 5]],
        "median": [[5.0, 6.5]],
        "points": [[1, 2]],
    }


def test_non_numeric_space_has_no_map() -> None:
    """Booleans have no order, and a single value has no extent."""
    space = [dimension("a", True, False), dimension("b", 3)]
    assert heat_map(space, {"b": np.array([3.0, 3.0])}.__getitem__, np.arange(2), np.array([1.0, 2.0])) is None


@pytest.mark.parametrize(
    ("values", "column", "labels", "cells"),
    [
        (tuple(range(0, 600, 10)), [0.0, 50.0, 60.0, 590.0], ["0 to 50", "60 to 110"], [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
        (Range(low=1, high=4), [1.0, 1.0, 4.0], ["1", "2"], [2, 0, 0, 1]),
        (Range(low=1, high=99), [1.0, 10.0, 11.0, 99.0], ["1 to 10", "11 to 20"], [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
        (Range(low=0.0, high=1.0), [0.0, 0.1, 1.0], ["0 to 0.1", "0.1 to 0.2"], [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_many_values_are_binned(
    values: tuple[int, ...] | Range, column: list[float], labels: list[str], cells: list[int]
) -> None:
    """More than fifty values and ranges are grouped; both ends are included."""
    space, numbers = [Dimension(name="a", param=True, values=values)], np.arange(len(column))
    drawn = heat_map(space, {"a": np.array(column)}.__getitem__, numbers, np.ones(len(column)))
    assert drawn["x"]["labels"][:2] == labels
    assert drawn["points"] == [cells]


SCHEMA = {"properties": {"a": {"type": "integer", "minimum": 1, "maximum": 100}}}


@pytest.mark.parametrize(
    ("values", "value", "warning"),
    [
        ((5, 10, 15), 5, "a=5 is at the lowest value swept: the best may be below it"),
        ((5, 10, 15), 15, "a=15 is at the highest value swept: the best may be above it"),
        ((5, 10, 15), 10, None),
        ((5, 10), 5, None),
        ((1, 2, 3), 1, None),
        ((98, 99, 100), 100, None),
        ((5, 10, None), 10, None),
        ((5, 10, None), 5, "a=5 is at the lowest value swept: the best may be below it"),
        ((5, 10, None), None, None),
        (("x", "y", "z"), "z", None),
        (Range(low=5, high=60), 60, "a=60 is at the highest value swept: the best may be above it"),
        (Range(low=5, high=60), 59, None),
        (Range(low=0.5, high=1.5), 0.505, "a=0.505 is at the lowest value swept: the best may be below it"),
        (Range(low=0.5, high=1.5), 1.48, None),
    ],
)
def test_edge_points_are_reported(values: tuple[object, ...] | Range, value: object, warning: str | None) -> None:
    """An edge at a limit of the strategy is not reported."""
    space = [Dimension(name="a", param=True, values=values)]
    sentences = [message.write() for message in edge_warnings(space, {"a": value}, SCHEMA)]
    assert sentences == ([warning] if warning else [])


def test_excluded_limit_of_optional_param_is_an_edge() -> None:
    """There is no integer between 9 and an exclusive limit of 10."""
    kinds = [{"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}, {"type": "null"}]
    space = [Dimension(name="a", param=True, values=(1, 5, 9))]
    schema = {"properties": {"a": {"anyOf": kinds}}}
    assert [edge_warnings(space, {"a": value}, schema) for value in (1, 9)] == [[], []]
