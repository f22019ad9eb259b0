"""The search space of a sweep: its notation, its dimensions, and its points by number."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Protocol, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from coin_pipeline.engine.bars import Bools, Ints
from coin_pipeline.errors import coded

Value: TypeAlias = bool | int | float | str | None
Column: TypeAlias = npt.NDArray[Any]
Point: TypeAlias = dict[str, Value]
"""One value for each swept name."""

_MAX_MAGNITUDE, _MIN_MAGNITUDE = Decimal("1e15"), Decimal("1e-15")
_WORDS: Mapping[str, Value] = {"true": True, "false": False, "none": None}


class Range(BaseModel):
    """All numbers from ``low`` to ``high``, inclusive; only integers if both ends are integers."""

    model_config = ConfigDict(frozen=True)

    low: int | float
    high: int | float

    @property
    def is_integer(self) -> bool:
        """Whether the range contains only integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Dimension(BaseModel):
    """A swept name with its values or its range.

    Attributes:
        name: The swept name.
        param: Whether it is a parameter of the strategy; otherwise it is a stop.
        values: The values, numbers in ascending order and None (no stop) last, or the range.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    param: bool
    values: tuple[Value, ...] | Range

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers, so that they have neighbours; ``None`` counts as the largest."""
        return isinstance(self.values, Range) or all(value is None or is_number(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbers from ``low`` upwards in equal steps, not yet expanded."""

    low: Decimal
    step: Decimal
    count: int

    def numbers(self) -> list[Value]:
        """Return integers if low and step are integers, otherwise the floats nearest to the exact decimals."""
        integral = self.low == int(self.low) and self.step == int(self.step)
        exact = (self.low + number * self.step for number in range(self.count))
        return [int(number) if integral else float(number) for number in exact]


@dataclass(frozen=True, slots=True, eq=False)
class PointColumns:
    """Points of a search as columns.

    Attributes:
        space: The dimensions.
        numbers: Numbers of the points, int64, shape (k,).
        columns: One per dimension, shape (k,): indices into its values, int64, or the numbers drawn from its range.
    """

    space: tuple[Dimension, ...]
    numbers: Ints
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, space: tuple[Dimension, ...], numbers: Sequence[int], points: Sequence[Point]) -> "PointColumns":
        """Return given points as columns."""
        columns = (_encode(dim.values, [point[dim.name] for point in points]) for dim in space)
        return cls(space, np.array(numbers, np.int64), tuple(columns))

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, rows: slice | Bools | Ints) -> "PointColumns":
        """Return some of the points."""
        return PointColumns(self.space, self.numbers[rows], tuple(column[rows] for column in self.columns))

    def digest(self) -> str:
        """Return the SHA-256 of the numbers and values; it does not depend on the other values of the space."""
        digest = hashlib.sha256(self.numbers.tobytes())
        for values in map(self.values, range(len(self.space))):
            digest.update(f"\0{values.dtype}\0".encode())
            digest.update(json.dumps(values.tolist()).encode() if values.dtype == object else values.tobytes())
        return digest.hexdigest()

    def values(self, j: int) -> Column:
        """Return the values of a dimension, shape (k,): of a numeric type if all are of one, otherwise objects."""
        values, column = self.space[j].values, self.columns[j]
        return column if isinstance(values, Range) else _to_array(values)[column]

    def point(self, k: int) -> Point:
        """Return the k-th point.

        >>> a = Dimension(name="a", param=True, values=(1, 2))
        >>> PointColumns.of((a,), [7], [{"a": 2}]).point(0)
        {'a': 2}
        """
        items = zip(self.space, self.columns, strict=True)
        return {dim.name: _decode(dim.values, column[k].item()) for dim, column in items}


class SearchPoints(Protocol):
    """The points of a search, addressed by number."""

    def __len__(self) -> int:
        """Return the number of points, including duplicates."""
        ...

    def columns(self, first: int, stop: int) -> PointColumns:
        """Return the points with these numbers, without those that duplicate an earlier one."""
        ...


class GridPoints:
    """All combinations of the values, the last name varying fastest; points are computed on demand.

    >>> a = Dimension(name="a", param=True, values=(1, 2))
    >>> b = Dimension(name="b", param=True, values=(5, 6))
    >>> grid = GridPoints([a, b])
    >>> len(grid), grid.columns(1, 2).point(0)
    (4, {'a': 1, 'b': 6})
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._space = tuple(dimensions)
        self._shape = [len(dim.values) for dim in dimensions if not isinstance(dim.values, Range)]

    def __len__(self) -> int:
        return math.prod(self._shape)

    def columns(self, first: int, stop: int) -> PointColumns:
        """Return the points with these numbers."""
        numbers = np.arange(first, stop)
        return PointColumns(self._space, numbers, np.unravel_index(numbers, self._shape))


class RandomPoints:
    """Independent random points, drawn uniformly from each range or list of values."""

    def __init__(self, dimensions: Sequence[Dimension], trials: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._space = tuple(dimensions)
        self._columns = [_draw(dim.values, trials, random) for dim in dimensions]
        self._is_first = _is_first_occurrence(self._columns)

    def __len__(self) -> int:
        return len(self._is_first)

    def columns(self, first: int, stop: int) -> PointColumns:
        """Return the points with these numbers, without those that duplicate an earlier one."""
        drawn = PointColumns(self._space, np.arange(first, stop), tuple(column[first:stop] for column in self._columns))
        return drawn.select(self._is_first[first:stop])


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; Python also counts booleans as integers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_text(text: str) -> Steps | Range | list[Value]:
    """Parse ``lo:hi:step`` (both ends included), ``lo:hi`` (a range) or comma-separated values.

    Raises:
        ValueError: The text is malformed.

    >>> parse_text("5:60:5").count, parse_text("0.1,none,true")
    (12, [0.1, None, True])
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 1:
        return [_parse_value(part.strip()) for part in text.split(",")]
    if len(parts) > 3:  # noqa: PLR2004 - low, high, step
        raise ValueError(coded("too_many_colons", text=text[:80]))
    low, high, *step = (_parse_decimal(part) for part in parts)
    if high < low:
        raise ValueError(coded("ends_below_start", text=text[:80]))
    if not step:
        return Range(low=_to_number(low), high=_to_number(high))
    if step[0] <= 0:
        raise ValueError(coded("step_not_positive", text=text[:80]))
    return Steps(low, step[0], int((high - low) / step[0]) + 1)


def format_values(values: tuple[Value, ...] | Range) -> str:
    """Return values in the notation that `parse_text` reads, or as a JSON list if it cannot express them.

    >>> format_values((5, 10, 15)), format_values((0.1, 0.3, None)), format_values(Range(low=5, high=60))
    ('5:15:5', '0.1,0.3,none', '5:60')
    >>> format_values(("a,b", "c"))
    '["a,b", "c"]'
    """
    if isinstance(values, Range):
        return f"{values.low}:{values.high}"
    listed = ",".join(str(value) if is_number(value) or isinstance(value, str) else _word(value) for value in values)
    for text in (_steps_text(values), listed):
        with suppress(ValueError):
            parsed = parse_text(text)
            if not text.startswith("[") and (parsed.numbers() if isinstance(parsed, Steps) else parsed) == list(values):
                return text
    return json.dumps(values)


def _steps_text(values: tuple[Value, ...]) -> str:
    """Return three or more numbers in equal steps as lo:hi:step; an empty text for other values."""
    numbers = [Decimal(str(value)) for value in values if is_number(value)]
    steps = {high - low for low, high in pairwise(numbers)}
    if len(numbers) < 3 or len(numbers) < len(values) or len(steps) > 1:  # noqa: PLR2004 - two are shorter as a list
        return ""
    return f"{values[0]}:{values[-1]}:{steps.pop()}"


def _word(value: object) -> str:
    return next(word for word, meaning in _WORDS.items() if meaning is value)


def _draw(values: tuple[Value, ...] | Range, trials: int, random: np.random.Generator) -> Column:
    """Draw numbers from a range, or indices of values."""
    if not isinstance(values, Range):
        return random.integers(len(values), size=trials)
    if values.is_integer:
        return random.integers(int(values.low), int(values.high), size=trials, endpoint=True)
    return random.uniform(values.low, values.high, trials)


def _is_first_occurrence(columns: Sequence[Column]) -> Bools:
    """Return whether each row differs from all rows before it."""
    order = np.lexsort(columns)  # stable: equal rows stay in order
    ordered = [column[order] for column in columns]
    is_first = np.ones(len(order), np.bool_)
    is_first[order[1:]] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    return is_first


def _encode(values: tuple[Value, ...] | Range, given: Sequence[Value]) -> Column:
    if isinstance(values, Range):
        return np.array(given, np.int64 if values.is_integer else np.float64)
    index = {value: i for i, value in enumerate(values)}
    return np.array([index[value] for value in given], np.int64)


def _decode(values: tuple[Value, ...] | Range, item: float) -> Value:
    return item if isinstance(values, Range) else values[int(item)]


def _to_array(values: tuple[Value, ...]) -> Column:
    if len({type(value) for value in values}) == 1 and not isinstance(values[0], str):
        return np.array(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _parse_value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return _to_number(Decimal(text))
    except (InvalidOperation, ValueError, OverflowError):
        return text


def _parse_decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(coded("not_a_number", text=text[:80])) from None
    if not number.is_finite() or (number and not _MIN_MAGNITUDE <= number.copy_abs() <= _MAX_MAGNITUDE):
        raise ValueError(coded("not_a_number_between", text=text[:80], low=_MIN_MAGNITUDE, high=_MAX_MAGNITUDE))
    return number


def _to_number(number: Decimal) -> int | float:
    """Return an integer if the number was written without a decimal point, otherwise the nearest float."""
    return int(number) if number.as_tuple().exponent == 0 else float(number)
