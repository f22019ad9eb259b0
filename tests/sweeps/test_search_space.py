"""The notation of search spaces, and the points they define."""

import itertools
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.sweeps.search_space import (
    Dimension,
    GridPoints,
    PointColumns,
    RandomPoints,
    Range,
    Steps,
    format_values,
    parse_text,
)
from tests.sweeps.parts import point_at


def dimension(name: str, values: tuple[object, ...] | Range) -> Dimension:
    """Return a swept parameter."""
    return Dimension(name=name, param=True, values=values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5:60:5", [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]),
        ("0:2:1", [0, 1, 2]),
        ("-2:2:2", [-2, 0, 2]),
        ("5:61:5", [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]),
        ("7:7:1", [7]),
        ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("1 : 2 : 0.5", [1.0, 1.5, 2.0]),
        ("1e-3:3e-3:1e-3", [0.001, 0.002, 0.003]),
    ],
)
def test_steps_are_exact_and_include_both_ends(text: str, expected: list[float]) -> None:
    """0.1 + 0.1 + 0.1 is exactly 0.3 here, and 0 is a regular value."""
    steps = parse_text(text)
    assert isinstance(steps, Steps)
    assert steps.count == len(expected)
    numbers = steps.numbers()
    assert numbers == expected
    assert [type(number) for number in numbers] == [type(number) for number in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1,0.2, 0.3", [0.1, 0.2, 0.3]),
        ("5", [5]),
        ("5.0,1e2", [5.0, 100.0]),
        ("true,False", [True, False]),
        ("none,0.02", [None, 0.02]),
        ("above,below", ["above", "below"]),
    ],
)
def test_values_are_numbers_booleans_none_or_text(text: str, expected: list[object]) -> None:
    """Text that looks like a number is one, and an integer if it has neither point nor exponent."""
    values = parse_text(text)
    assert values == expected
    assert [type(value) for value in values] == [type(value) for value in expected]


def test_two_numbers_are_a_range() -> None:
    """The range is of integers if both ends are written as integers."""
    assert parse_text("5:60") == Range(low=5, high=60)
    assert parse_text("5:60").is_integer
    assert not parse_text("5:60.0").is_integer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1:2:3:4", "too many colons"),
        ("a:b:c", "'a' is not a number"),
        ("1:b", "'b' is not a number"),
        ("5:1:1", "ends below its start"),
        ("1:5:0", "must be above 0"),
        ("1:5:-1", "must be above 0"),
        ("1:inf:1", "is not a number between"),
        ("nan:1:1", "is not a number between"),
        ("0:1e999999:1", "is not a number between"),
        ("0:9e99999999:1", "is not a number between"),
        ("0:1:1e-999", "is not a number between"),
        ("::", "'' is not a number"),
    ],
)
def test_malformed_text_is_rejected(text: str, reason: str) -> None:
    """The message contains the text and the reason."""
    with pytest.raises(ValueError, match=reason):
        parse_text(text)


def test_steps_are_counted_without_expansion() -> None:
    """10^15 values take no memory."""
    assert parse_text("0:1e15:1") == Steps(Decimal(0), Decimal(1), 10**15 + 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_grid_is_the_product_of_its_values(lengths: list[int]) -> None:
    """Each number has its point, the last name varying fastest."""
    names = "abcd"[: len(lengths)]
    grid = GridPoints([dimension(name, tuple(range(length))) for name, length in zip(names, lengths, strict=True)])
    product = itertools.product(*(range(length) for length in lengths))
    assert [point_at(grid, number) for number in range(len(grid))] == [
        dict(zip(names, point, strict=True)) for point in product
    ]


def test_large_grid_is_computed_on_demand() -> None:
    """Neither its length nor a single point requires the other points."""
    grid = GridPoints([dimension(name, tuple(range(1000))) for name in "abc"])
    assert len(grid) == 10**9
    assert point_at(grid, 123_456_789) == {"a": 123, "b": 456, "c": 789}


def test_draws_follow_the_seed_and_stay_in_the_space() -> None:
    """Ranges include both ends, integer ranges yield integers, and listed values are drawn as they are."""
    space = [
        dimension("whole", Range(low=1, high=3)),
        dimension("real", Range(low=0.5, high=0.75)),
        dimension("listed", ("x", None)),
    ]
    draws = RandomPoints(space, 200, seed=7)
    points = [point_at(draws, number) for number in range(len(draws))]
    assert {point["whole"] for point in points} == {1, 2, 3}
    assert all(type(point["whole"]) is int and 0.5 <= point["real"] <= 0.75 for point in points)
    assert {point["listed"] for point in points} == {"x", None}
    again, other = RandomPoints(space, 200, seed=7), RandomPoints(space, 200, seed=8)
    assert [point_at(again, number) for number in range(200)] == points
    assert [point_at(other, number) for number in range(200)] != points


def test_duplicate_draws_have_no_point() -> None:
    """Only the first of equal draws counts; of four possible points a hundred draws leave four."""
    draws = RandomPoints([dimension("a", (1, 2)), dimension("b", Range(low=0, high=1))], 100, seed=0)
    points = [point_at(draws, number) for number in range(100)]
    assert points[0] is not None
    kept = [tuple(point.values()) for point in points if point is not None]
    assert sorted(kept) == [(1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("values", "ordered"),
    [((1, 2), True), ((0.1, None), True), ((True, False), False), (("a", "b"), False), (Range(low=0, high=1), True)],
)
def test_only_numbers_are_ordered(values: tuple[object, ...] | Range, ordered: bool) -> None:  # noqa: FBT001
    """Booleans and texts have no neighbours."""
    assert dimension("a", values).is_numeric is ordered


def test_columns_encode_given_points() -> None:
    """Values, numbers drawn from a range and None return as they were, with their types."""
    space = (dimension("a", ("x", None)), dimension("b", Range(low=0.0, high=1.0)), dimension("c", (1.0, 2.0)))
    points = [{"a": None, "b": 0.25, "c": 2.0}, {"a": "x", "b": 1.0, "c": 1.0}]
    columns = PointColumns.of(space, [4, 9], points)
    assert [columns.point(k) for k in range(2)] == points
    assert [columns.values(j).tolist() for j in range(3)] == [[None, "x"], [0.25, 1.0], [2.0, 1.0]]


def test_a_digest_covers_numbers_values_and_types() -> None:
    """It does not cover values of the space that no point has."""

    def digest(values: tuple[object, ...], value: object, number: int = 1) -> str:
        return PointColumns.of((dimension("a", values),), [number], [{"a": value}]).digest()

    assert digest((1, 2), 1) == digest((0, 1, 5), 1)
    others = [
        digest((1, 2), 2),
        digest((1, 2), 1, 2),
        digest((1.0, 2.0), 1.0),
        digest(("1",), "1"),
        digest((None,), None),
    ]
    assert len({digest((1, 2), 1), *others}) == 6


@given(
    st.one_of(
        st.lists(st.integers(-1000, 1000), min_size=1, unique=True),
        st.lists(st.floats(-1e9, 1e9).filter(lambda number: not number or abs(number) > 1e-9), min_size=1, unique=True),
        st.lists(st.booleans() | st.none(), min_size=1, unique=True),
        st.lists(st.text(), min_size=1, unique=True),
        st.builds(lambda low, step, count: [low + step * k for k in range(count)], *[st.integers(1, 99)] * 3),
    )
)
def test_written_values_are_read_again(values: list[bool | float | str | None]) -> None:
    """As the form of a sweep has those of a stored one; what the notation cannot express is JSON."""
    text = format_values(tuple(values))
    if text.startswith("["):
        assert json.loads(text) == values
        return
    parsed = parse_text(text)
    assert (parsed.numbers() if isinstance(parsed, Steps) else parsed) == values


@pytest.mark.parametrize("values", [Range(low=5, high=60), Range(low=0.0, high=1.5)])
def test_written_range_is_read_again(values: Range) -> None:
    """With ends of the same types."""
    assert parse_text(format_values(values)) == values
