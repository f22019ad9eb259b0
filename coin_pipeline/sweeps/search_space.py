"""The values that a sweep tries: how people write them, and the points that follow from them, by number."""

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

_LARGEST, _SMALLEST = Decimal("1e15"), Decimal("1e-15")
_WORDS: Mapping[str, Value] = {"true": True, "false": False, "none": None}


class Range(BaseModel):
    """Every number from ``low`` to ``high``, both included; integers only where both ends are."""

    model_config = ConfigDict(frozen=True)

    low: int | float
    high: int | float

    @property
    def is_integer(self) -> bool:
        """Whether only integers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Dimension(BaseModel):
    """A swept name with its values, numbers in ascending order and ``None`` (no stop) last, or its range."""

    model_config = ConfigDict(frozen=True)

    name: str
    param: bool
    """Whether it is a param of the strategy; else it is a stop."""
    values: tuple[Value, ...] | Range

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers, so that one lies beside another; ``None`` lies above them all."""
        return isinstance(self.values, Range) or all(value is None or is_number(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbers upwards from ``low``, counted but not yet written down."""

    low: Decimal
    step: Decimal
    count: int

    def numbers(self) -> list[Value]:
        """Return integers where low and step are, else the floats nearest to the exact decimals."""
        whole = self.low == int(self.low) and self.step == int(self.step)
        exact = (self.low + number * self.step for number in range(self.count))
        return [int(number) if whole else float(number) for number in exact]


class SearchPoints(Protocol):
    """The points of a search by their number; a number without a point repeats an earlier one."""

    def __len__(self) -> int:
        """Return how many numbers there are."""
        ...

    def point_at(self, number: int) -> Point | None:
        """Return the point of a number, or None where it repeats an earlier one."""
        ...


class GridPoints:
    """All combinations of the values, the last name changing fastest; a point is made when it is asked for."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._values = [(one.name, one.values) for one in dimensions if not isinstance(one.values, Range)]

    def __len__(self) -> int:
        return math.prod(len(values) for _, values in self._values)

    def point_at(self, number: int) -> Point:
        """Return the point of a number."""
        places = []
        for _, values in reversed(self._values):
            number, place = divmod(number, len(values))
            places.append(place)
        return {name: values[place] for (name, values), place in zip(self._values, reversed(places), strict=True)}


class RandomPoints:
    """Random points, drawn independently and evenly: from a range over its width, else from the values."""

    def __init__(self, dimensions: Sequence[Dimension], trials: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._dimensions = dimensions
        self._columns = [_drawn(one.values, trials, random) for one in dimensions]
        _, first = np.unique(np.stack(self._columns).astype(np.float64), axis=1, return_index=True)
        self._new = np.zeros(trials, np.bool_)
        self._new[first] = True

    def __len__(self) -> int:
        return len(self._new)

    def point_at(self, number: int) -> Point | None:
        """Return the point of a number, or None where it repeats an earlier one."""
        if not self._new[number]:
            return None
        drawn = ((one, column[number].item()) for one, column in zip(self._dimensions, self._columns, strict=True))
        return {one.name: found if isinstance(one.values, Range) else one.values[found] for one, found in drawn}


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell numbers from truth values, which Python counts among the integers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_text(text: str) -> Steps | Range | list[Value]:
    """Read ``lo:hi:step`` (both ends included), ``lo:hi`` (a range) or values with commas between them.

    Raises:
        ValueError: saying what is wrong with the text.
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 1:
        return [_value(part.strip()) for part in text.split(",")]
    if len(parts) > 3:  # noqa: PLR2004 - low, high, step
        raise ValueError(
            f"{text[:80]!r} has too many colons; write lo:hi:step, lo:hi or values with commas between them"
        )
    low, high, *step = (_decimal(part) for part in parts)
    if high < low:
        raise ValueError(f"{text[:80]!r} ends below its start")
    if not step:
        return Range(low=_plain(low), high=_plain(high))
    if step[0] <= 0:
        raise ValueError(f"the step of {text[:80]!r} must be above 0")
    return Steps(low, step[0], int((high - low) / step[0]) + 1)


def _drawn(values: tuple[Value, ...] | Range, trials: int, random: np.random.Generator) -> np.ndarray:
    """Draw numbers of a range, or places among values."""
    if not isinstance(values, Range):
        return random.integers(len(values), size=trials)
    if values.is_integer:
        return random.integers(int(values.low), int(values.high), size=trials, endpoint=True)
    return random.uniform(values.low, values.high, trials)


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return _plain(Decimal(text))
    except (InvalidOperation, ValueError, OverflowError):
        return text


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:80]!r} is not a number") from None
    if not number.is_finite() or (number and not _SMALLEST <= abs(number) <= _LARGEST):
        raise ValueError(f"{text[:80]!r} is not a number between {_SMALLEST} and {_LARGEST}")
    return number


def _plain(number: Decimal) -> int | float:
    """Return the integer that was written without a point, else the nearest float."""
    return int(number) if number.as_tuple().exponent == 0 else float(number)
