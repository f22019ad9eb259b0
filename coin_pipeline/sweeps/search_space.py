"""The search space of a sweep: its notation, its dimensions, and its points by number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol, TypeAlias, TypeGuard

import numpy as np
from pydantic import BaseModel, ConfigDict

Value: TypeAlias = bool | int | float | str | None
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


class SearchPoints(Protocol):
    """The points of a search, addressed by number."""

    def __len__(self) -> int:
        """Return the number of points, including duplicates."""
        ...

    def point_at(self, number: int) -> Point | None:
        """Return the point with a number, or None if it duplicates an earlier one."""
        ...


class GridPoints:
    """All combinations of the values, the last name varying fastest; points are computed on demand.

    >>> a = Dimension(name="a", param=True, values=(1, 2))
    >>> b = Dimension(name="b", param=True, values=(5, 6))
    >>> grid = GridPoints([a, b])
    >>> len(grid), grid.point_at(1)
    (4, {'a': 1, 'b': 6})
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._values = [(dim.name, dim.values) for dim in dimensions if not isinstance(dim.values, Range)]

    def __len__(self) -> int:
        return math.prod(len(values) for _, values in self._values)

    def point_at(self, number: int) -> Point:
        """Return the point with a number."""
        indices = []
        for _, values in reversed(self._values):
            number, index = divmod(number, len(values))
            indices.append(index)
        return {name: values[index] for (name, values), index in zip(self._values, reversed(indices), strict=True)}


class RandomPoints:
    """Independent random points, drawn uniformly from each range or list of values."""

    def __init__(self, dimensions: Sequence[Dimension], trials: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._dimensions = dimensions
        self._columns = [_draw(dim.values, trials, random) for dim in dimensions]
        _, first = np.unique(np.stack(self._columns).astype(np.float64), axis=1, return_index=True)
        self._is_first = np.zeros(trials, np.bool_)
        self._is_first[first] = True

    def __len__(self) -> int:
        return len(self._is_first)

    def point_at(self, number: int) -> Point | None:
        """Return the point with a number, or None if it duplicates an earlier one."""
        if not self._is_first[number]:
            return None
        drawn = ((dim, column[number].item()) for dim, column in zip(self._dimensions, self._columns, strict=True))
        return {dim.name: value if isinstance(dim.values, Range) else dim.values[value] for dim, value in drawn}


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
        raise ValueError(f"{text[:80]!r} has too many colons; write lo:hi:step, lo:hi or comma-separated values")
    low, high, *step = (_parse_decimal(part) for part in parts)
    if high < low:
        raise ValueError(f"{text[:80]!r} ends below its start")
    if not step:
        return Range(low=_to_number(low), high=_to_number(high))
    if step[0] <= 0:
        raise ValueError(f"the step of {text[:80]!r} must be above 0")
    return Steps(low, step[0], int((high - low) / step[0]) + 1)


def _draw(values: tuple[Value, ...] | Range, trials: int, random: np.random.Generator) -> np.ndarray:
    """Draw numbers from a range, or indices of values."""
    if not isinstance(values, Range):
        return random.integers(len(values), size=trials)
    if values.is_integer:
        return random.integers(int(values.low), int(values.high), size=trials, endpoint=True)
    return random.uniform(values.low, values.high, trials)


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
        raise ValueError(f"{text[:80]!r} is not a number") from None
    if not number.is_finite() or (number and not _MIN_MAGNITUDE <= abs(number) <= _MAX_MAGNITUDE):
        raise ValueError(f"{text[:80]!r} is not a number between {_MIN_MAGNITUDE} and {_MAX_MAGNITUDE}")
    return number


def _to_number(number: Decimal) -> int | float:
    """Return an integer if the number was written without a decimal point, otherwise the nearest float."""
    return int(number) if number.as_tuple().exponent == 0 else float(number)
